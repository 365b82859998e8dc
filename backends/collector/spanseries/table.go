package spanseries

import (
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// point is one data point: a count, or a histogram of durations.
type point struct {
	start    pcommon.Timestamp
	seen     time.Time
	born     bool // it was handed on with zero: without it, a backend takes the first value for no increase
	count    int64
	sum      float64
	buckets  []uint64
	exemplar exemplar
}

type exemplar struct {
	trace pcommon.TraceID
	span  pcommon.SpanID
	at    pcommon.Timestamp
	value float64
}

// table has the points of one metric by their labels.
type table struct {
	budget *budget
	series int // of each point
	points map[labels]*point
	// known has the point of labels that were asked for before. Most spans are like an earlier one.
	known map[labels]*point
}

// The most labels whose point is remembered.
const maxKnown = 20000

func newTable(budget *budget, series int) *table {
	return &table{budget: budget, series: series, points: map[labels]*point{}, known: map[labels]*point{}}
}

func (t *table) of(raw labels, now time.Time) *point {
	found, ok := t.known[raw]
	if !ok {
		found = t.admit(t.budget.bounded(raw), now)
		if len(t.known) < maxKnown {
			t.known[raw] = found
		}
	}
	found.seen = now
	return found
}

func (t *table) admit(l labels, now time.Time) *point {
	for step, candidate := range l.coarser() {
		if found, ok := t.points[candidate]; ok {
			return found
		}
		if t.budget.admits(candidate, step, t.series) {
			made := &point{start: pcommon.NewTimestampFromTime(now)}
			t.points[candidate] = made
			return made
		}
	}
	panic("the last step is always admitted")
}

// expire removes points without a span for so long.
func (t *table) expire(now time.Time, after time.Duration) (removed bool) {
	for l, found := range t.points {
		if now.Sub(found.seen) >= after {
			delete(t.points, l)
			t.budget.give(l, t.series)
			removed = true
		}
	}
	return removed
}
