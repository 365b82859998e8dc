package spanseries

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer/consumertest"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

func made(t *testing.T, config *Config) *spanSeries {
	t.Helper()
	set := connector.Settings{TelemetrySettings: component.TelemetrySettings{Logger: zap.NewNop()}}
	found, err := newConnector(t.Context(), set, config, consumertest.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	return found.(*spanSeries)
}

func span(service, model, state string) ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", service)
	one := resource.ScopeSpans().AppendEmpty().Spans().AppendEmpty()
	one.SetName("chat")
	one.Attributes().PutStr("gen_ai.request.model", model)
	one.TraceState().FromRaw(state)
	return traces
}

func calls(metrics pmetric.Metrics) (values map[string]int64) {
	values = map[string]int64{}
	for _, metric := range metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().All() {
		if metric.Name() == "traces.span.metrics.calls" {
			for _, point := range metric.Sum().DataPoints().All() {
				model, _ := point.Attributes().Get("gen_ai.request.model")
				values[model.Str()] += point.IntValue()
			}
		}
	}
	return values
}

func TestASeriesIsBornWithZeroAndExpires(t *testing.T) {
	config := defaultConfig()
	subject := made(t, config)
	now := time.Now()
	if err := subject.ConsumeTraces(context.Background(), span("shop", "m", "")); err != nil {
		t.Fatal(err)
	}
	for _, expected := range []int64{0, 1, 1} {
		if found := calls(subject.metrics(now)); len(found) != 1 || found["m"] != expected {
			t.Errorf("%v, not %d", found, expected)
		}
	}
	if found := subject.metrics(now.Add(2 * config.Expiration)); found.DataPointCount() != 0 {
		t.Errorf("%d points are left", found.DataPointCount())
	}
	if subject.budget.used != 0 || subject.budget.ofService["shop"] != 0 || len(subject.budget.values) != 0 {
		t.Errorf("not given back: %+v", subject.budget)
	}
}

func TestNamesThatCameLaterHaveRoomWhenOthersHaveExpired(t *testing.T) {
	config := defaultConfig()
	subject := made(t, config)
	for number := range 200 {
		_ = subject.ConsumeTraces(context.Background(), span("shop", fmt.Sprint("old-", number), ""))
	}
	subject.metrics(time.Now().Add(2 * config.Expiration))
	_ = subject.ConsumeTraces(context.Background(), span("shop", "new", ""))
	subject.metrics(time.Now())
	if found := calls(subject.metrics(time.Now())); len(found) != 1 || found["new"] != 1 {
		t.Errorf("%v", found)
	}
}

func TestNoMoreThanMaxSeries(t *testing.T) {
	config := defaultConfig()
	config.MaxSeries = 300
	subject := made(t, config)
	for service := range 50 {
		for model := range 150 {
			_ = subject.ConsumeTraces(context.Background(), span(fmt.Sprint("s-", service), fmt.Sprint("m-", model), ""))
		}
	}
	subject.metrics(time.Now())
	total := int64(0)
	for _, value := range calls(subject.metrics(time.Now())) {
		total += value
	}
	if total != 50*150 {
		t.Errorf("%d spans are counted", total)
	}
	if subject.budget.used > 300+len(config.Buckets)+4 {
		t.Errorf("%d series", subject.budget.used)
	}
}

func TestASpanStandsForThoseThatASamplerLeftOut(t *testing.T) {
	for state, expected := range map[string]int64{"": 1, "ot=th:8": 2, "ot=th:c": 4, "vendor=x": 1, "ot=rv:1": 1, ";;": 1} {
		if found := weight(state); found != expected {
			t.Errorf("%q: %d, not %d", state, found, expected)
		}
	}
}
