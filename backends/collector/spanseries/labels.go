package spanseries

import "go.opentelemetry.io/collector/pdata/pcommon"

// overflow is the value in place of those for which there is no room.
const overflow = "_OTHER"

// labels of a span's metrics. A field is empty if the span lacks it, and in metrics that are not split by it.
type labels struct {
	service, environment, tenant      string
	name, kind, status                string
	operation, provider, model, error string
}

// The labels of each metric. Nobody needs errors or tenants of each bucket.
func (l labels) ofCalls() labels { return l }

func (l labels) ofDuration() labels {
	l.tenant, l.status, l.error = "", "", ""
	return l
}

func (l labels) ofTokens() labels {
	l.name, l.kind, l.status, l.error = "", "", "", ""
	return l
}

// read fills in what a map of attributes tells. Those of the span come after those of the resource and count for more.
func (l *labels) read(attributes pcommon.Map) (found facts) {
	for key, value := range attributes.All() {
		switch key {
		case "service.name":
			l.service = value.AsString()
		case "deployment.environment.name":
			l.environment = value.AsString()
		case "deployment.environment": // its name until semantic conventions 1.27
			if l.environment == "" {
				l.environment = value.AsString()
			}
		case "otel_llm.tenant.id":
			l.tenant = value.AsString()
		case "gen_ai.operation.name":
			l.operation = value.AsString()
		case "gen_ai.provider.name":
			l.provider = value.AsString()
		case "gen_ai.request.model":
			l.model = value.AsString()
		case "error.type":
			l.error = value.AsString()
		case "gen_ai.usage.input_tokens":
			found.input, found.hasInput = number(value)
		case "gen_ai.usage.output_tokens":
			found.output, found.hasOutput = number(value)
		case "otel_llm.eval.sampled":
			found.evaluated = value.Bool()
		}
	}
	return found
}

// facts are what is counted of a span.
type facts struct {
	input, output                  int64
	hasInput, hasOutput, evaluated bool
}

func number(value pcommon.Value) (int64, bool) {
	switch value.Type() {
	case pcommon.ValueTypeInt:
		return value.Int(), value.Int() >= 0
	case pcommon.ValueTypeDouble:
		return int64(value.Double()), value.Double() >= 0
	default:
		return 0, false
	}
}

// put writes the labels to a data point.
func (l labels) put(attributes pcommon.Map) {
	for _, label := range []struct{ key, value string }{
		{"service.name", l.service},
		{"deployment.environment.name", l.environment},
		{"otel_llm.tenant.id", l.tenant},
		{"span.name", l.name},
		{"span.kind", l.kind},
		{"status.code", l.status},
		{"gen_ai.operation.name", l.operation},
		{"gen_ai.provider.name", l.provider},
		{"gen_ai.request.model", l.model},
		{"error.type", l.error},
	} {
		if label.value != "" {
			attributes.PutStr(label.key, label.value)
		}
	}
}

func other(value string) string {
	if value == "" {
		return ""
	}
	return overflow
}

// coarser returns the labels with less and less detail; the last have a handful of values only.
func (l labels) coarser() [5]labels {
	steps := [5]labels{l}
	l.tenant = other(l.tenant)
	steps[1] = l
	l.name, l.error = other(l.name), other(l.error)
	steps[2] = l
	l.model, l.provider = other(l.model), other(l.provider)
	steps[3] = l
	steps[4] = labels{service: overflow, status: l.status}
	return steps
}
