package spanlimit

import (
	"slices"
	"unicode/utf8"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

const (
	// Shorter texts are names and ids: to cut them would gain little and lose what a span is found by.
	leastText = 64
	// What the attribute that lists what was cut needs beside the names.
	markBytes = 128
)

// text is one that can be cut.
type text struct {
	name   string // of the attribute that it is in, or of the event and its attribute
	length int
	keep   func(bytes int)
}

// texts are all that one span, resource or scope has.
type texts struct {
	long []text
	size int // of all attributes, short ones included
}

func textsOf(span ptrace.Span) *texts {
	found := &texts{}
	found.ofMap("", span.Attributes())
	found.add("name", span.Name(), span.SetName)
	found.add("status.message", span.Status().Message(), span.Status().SetMessage)
	for _, event := range span.Events().All() {
		found.ofMap(event.Name()+".", event.Attributes())
	}
	for _, link := range span.Links().All() {
		found.ofMap("link.", link.Attributes())
	}
	return found
}

func (t *texts) ofMap(prefix string, attributes pcommon.Map) {
	for key, value := range attributes.All() {
		t.size += len(key) + 8
		t.ofValue(prefix+key, value)
	}
}

func (t *texts) ofValue(name string, value pcommon.Value) {
	switch value.Type() {
	case pcommon.ValueTypeStr:
		t.add(name, value.Str(), value.SetStr)
	case pcommon.ValueTypeBytes:
		bytes := value.Bytes()
		t.size += bytes.Len()
		if bytes.Len() > leastText {
			t.long = append(t.long, text{name, bytes.Len(), func(most int) { bytes.FromRaw(bytes.AsRaw()[:most]) }})
		}
	case pcommon.ValueTypeMap:
		for key, inner := range value.Map().All() {
			t.size += len(key) + 8
			t.ofValue(name, inner)
		}
	case pcommon.ValueTypeSlice:
		for _, inner := range value.Slice().All() {
			t.size += 4
			t.ofValue(name, inner)
		}
	default:
		t.size += 9
	}
}

func (t *texts) add(name, content string, set func(string)) {
	t.size += len(content)
	if len(content) > leastText {
		t.long = append(t.long, text{name, len(content), func(most int) { set(whole(content, most)) }})
	}
}

// whole is the beginning of a text that ends with a whole character.
func whole(content string, most int) string {
	for most > 0 && !utf8.RuneStart(content[most]) {
		most--
	}
	return content[:most]
}

// cut cuts the longest texts to one length, so that all attributes together have at most that many bytes. It returns the
// names of what it has cut, and whether that was possible. If not, nothing was cut.
func (t *texts) cut(most int) ([]string, bool) {
	slices.SortFunc(t.long, func(a, b text) int { return b.length - a.length })
	excess := t.size - most + markBytes
	// The longest are cut to the length of the next one, until that is enough.
	sum := 0
	for number, longest := range t.long {
		sum += longest.length
		excess += len(longest.name) + 8
		next := leastText
		if number+1 < len(t.long) {
			next = t.long[number+1].length
		}
		if freed := sum - (number+1)*next; freed < excess {
			continue
		}
		length := (sum - excess) / (number + 1)
		return t.cutTo(t.long[:number+1], length), true
	}
	return nil, false
}

func (*texts) cutTo(long []text, length int) []string {
	var names []string
	for _, each := range long {
		if each.length <= length {
			continue
		}
		each.keep(length)
		if !slices.Contains(names, each.name) {
			names = append(names, each.name)
		}
	}
	return names
}
