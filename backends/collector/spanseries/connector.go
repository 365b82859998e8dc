// Package spanseries makes metrics of spans, with a bounded number of time series: calls, durations and tokens.
//
// The contrib distribution's span_metrics has a limit for each service and puts everything beyond it into one series without
// labels; its signal_to_metrics has none. Here names beyond a limit become "_OTHER", the least important first.
package spanseries

import (
	"context"
	"sort"
	"sync"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/sampling"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

// NewFactory makes the factory of the span_series connector.
func NewFactory() connector.Factory {
	return connector.NewFactory(
		component.MustNewType("span_series"),
		func() component.Config { return defaultConfig() },
		connector.WithTracesToMetrics(newConnector, component.StabilityLevelBeta),
	)
}

type spanSeries struct {
	config *Config
	logger *zap.Logger
	next   consumer.Metrics
	bounds []float64

	lock                            sync.Mutex
	budget                          *budget
	calls, durations, input, output *table

	stop chan struct{}
	done sync.WaitGroup
}

func newConnector(_ context.Context, set connector.Settings, config component.Config, next consumer.Metrics) (connector.Traces, error) {
	made := &spanSeries{config: config.(*Config), logger: set.Logger, next: next, stop: make(chan struct{})}
	for _, bound := range made.config.Buckets {
		made.bounds = append(made.bounds, bound.Seconds())
	}
	made.budget = newBudget(made.config.MaxSeries, made.config.MaxValues)
	made.calls, made.input, made.output = newTable(made.budget, 1), newTable(made.budget, 1), newTable(made.budget, 1)
	// A bucket for each bound and one above them, the sum and the count.
	made.durations = newTable(made.budget, len(made.bounds)+3)
	return made, nil
}

func (c *spanSeries) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: false}
}

func (c *spanSeries) Start(context.Context, component.Host) error {
	c.done.Add(1)
	go func() {
		defer c.done.Done()
		ticker := time.NewTicker(c.config.FlushInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				c.flush(time.Now())
			case <-c.stop:
				return
			}
		}
	}()
	return nil
}

func (c *spanSeries) Shutdown(context.Context) error {
	close(c.stop)
	c.done.Wait()
	return nil
}

func (c *spanSeries) ConsumeTraces(_ context.Context, traces ptrace.Traces) error {
	now := time.Now()
	c.lock.Lock()
	defer c.lock.Unlock()
	for _, resource := range traces.ResourceSpans().All() {
		var around labels
		around.read(resource.Resource().Attributes())
		for _, scope := range resource.ScopeSpans().All() {
			for _, span := range scope.Spans().All() {
				c.count(around, span, now)
			}
		}
	}
	return nil
}

func (c *spanSeries) count(l labels, span ptrace.Span, now time.Time) {
	service := l.service
	told := l.read(span.Attributes())
	l.service = service // a span may name the service that it calls
	l.name, l.kind, l.status = span.Name(), kinds[span.Kind()], statuses[span.Status().Code()]
	times := weight(span.TraceState().AsRaw())

	seconds := 0.0
	if span.EndTimestamp() > span.StartTimestamp() {
		seconds = float64(span.EndTimestamp()-span.StartTimestamp()) / 1e9
	}
	calls := c.calls.of(l.ofCalls(), now)
	calls.count += times
	duration := c.durations.of(l.ofDuration(), now)
	if duration.buckets == nil {
		duration.buckets = make([]uint64, len(c.bounds)+1)
	}
	duration.count += times
	duration.sum += seconds * float64(times)
	duration.buckets[sort.SearchFloat64s(c.bounds, seconds)] += uint64(times)

	if c.config.ExemplarsOfAll || told.evaluated || span.Status().Code() == ptrace.StatusCodeError || seconds >= c.config.Slow.Seconds() {
		example := exemplar{span.TraceID(), span.SpanID(), span.EndTimestamp(), seconds}
		calls.exemplar, duration.exemplar = example, example
	}
	// Agents and workflows report the sums of the calls below them.
	if l.operation == "invoke_agent" || l.operation == "invoke_workflow" {
		return
	}
	if told.hasInput {
		c.input.of(l.ofTokens(), now).count += told.input
	}
	if told.hasOutput {
		c.output.of(l.ofTokens(), now).count += told.output
	}
}

// weight is how many spans this one stands for, if a consistent sampler has left out the others.
func weight(state string) int64 {
	if state == "" {
		return 1
	}
	parsed, err := sampling.NewW3CTraceState(state)
	if err != nil {
		return 1
	}
	if adjusted := parsed.OTelValue().AdjustedCount(); adjusted > 1 {
		return int64(adjusted + 0.5)
	}
	return 1
}

func (c *spanSeries) flush(now time.Time) {
	made := c.metrics(now)
	if made.DataPointCount() == 0 {
		return
	}
	if err := c.next.ConsumeMetrics(context.Background(), made); err != nil {
		c.logger.Error("metrics of spans were refused", zap.Error(err))
	}
}

func (c *spanSeries) metrics(now time.Time) pmetric.Metrics {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.expire(now)
	made := pmetric.NewMetrics()
	scope := made.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty()
	scope.Scope().SetName("otel-llm/spanseries")
	at := pcommon.NewTimestampFromTime(now)
	c.sums(scope, "traces.span.metrics.calls", "", c.calls, at)
	c.histograms(scope, at)
	c.sums(scope, "otel_llm.span.input_tokens", "{token}", c.input, at)
	c.sums(scope, "otel_llm.span.output_tokens", "{token}", c.output, at)
	return made
}

func (c *spanSeries) expire(now time.Time) {
	removed := false
	for _, table := range []*table{c.calls, c.durations, c.input, c.output} {
		removed = table.expire(now, c.config.Expiration) || removed
	}
	if !removed {
		return
	}
	c.budget.forgetValues()
	for _, table := range []*table{c.calls, c.durations, c.input, c.output} {
		clear(table.known)
		for l := range table.points {
			c.budget.bounded(l)
		}
	}
}

func (c *spanSeries) sums(scope pmetric.ScopeMetrics, name, unit string, table *table, at pcommon.Timestamp) {
	if len(table.points) == 0 {
		return
	}
	metric := scope.Metrics().AppendEmpty()
	metric.SetName(name)
	metric.SetUnit(unit)
	sum := metric.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for l, found := range table.points {
		dp := sum.DataPoints().AppendEmpty()
		dp.SetStartTimestamp(found.start)
		dp.SetTimestamp(at)
		l.put(dp.Attributes())
		if !found.born {
			found.born = true
			continue
		}
		dp.SetIntValue(found.count)
		found.putExemplar(dp.Exemplars())
	}
}

func (c *spanSeries) histograms(scope pmetric.ScopeMetrics, at pcommon.Timestamp) {
	if len(c.durations.points) == 0 {
		return
	}
	metric := scope.Metrics().AppendEmpty()
	metric.SetName("traces.span.metrics.duration")
	metric.SetUnit("s")
	histogram := metric.SetEmptyHistogram()
	histogram.SetAggregationTemporality(pmetric.AggregationTemporalityCumulative)
	for l, found := range c.durations.points {
		dp := histogram.DataPoints().AppendEmpty()
		dp.SetStartTimestamp(found.start)
		dp.SetTimestamp(at)
		l.put(dp.Attributes())
		dp.ExplicitBounds().FromRaw(c.bounds)
		if !found.born {
			found.born = true
			dp.BucketCounts().FromRaw(make([]uint64, len(c.bounds)+1))
			dp.SetSum(0)
			continue
		}
		dp.BucketCounts().FromRaw(found.buckets)
		dp.SetCount(uint64(found.count))
		dp.SetSum(found.sum)
		found.putExemplar(dp.Exemplars())
	}
}

func (p *point) putExemplar(into pmetric.ExemplarSlice) {
	if p.exemplar.trace.IsEmpty() {
		return
	}
	put := into.AppendEmpty()
	put.SetTraceID(p.exemplar.trace)
	put.SetSpanID(p.exemplar.span)
	put.SetTimestamp(p.exemplar.at)
	put.SetDoubleValue(p.exemplar.value)
	p.exemplar = exemplar{}
}

var kinds = map[ptrace.SpanKind]string{
	ptrace.SpanKindUnspecified: "SPAN_KIND_UNSPECIFIED",
	ptrace.SpanKindInternal:    "SPAN_KIND_INTERNAL",
	ptrace.SpanKindServer:      "SPAN_KIND_SERVER",
	ptrace.SpanKindClient:      "SPAN_KIND_CLIENT",
	ptrace.SpanKindProducer:    "SPAN_KIND_PRODUCER",
	ptrace.SpanKindConsumer:    "SPAN_KIND_CONSUMER",
}

var statuses = map[ptrace.StatusCode]string{
	ptrace.StatusCodeUnset: "STATUS_CODE_UNSET",
	ptrace.StatusCodeOk:    "STATUS_CODE_OK",
	ptrace.StatusCodeError: "STATUS_CODE_ERROR",
}
