// Package spanlimit bounds the size of each span: it cuts the longest texts of one that is too large, and drops one that is
// too large even so. It counts and logs both.
//
// An exporter that batches by size drops a span that is larger than a batch, and the spans beside it, after the span was
// acknowledged and without counting any.
package spanlimit

import (
	"context"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// truncated is the attribute that lists what was cut. The library lists there what it has cut itself.
const truncated = "otel_llm.content.truncated"

// NewFactory makes the factory of the span_limit processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		component.MustNewType("span_limit"),
		func() component.Config { return defaultConfig() },
		processor.WithTraces(newProcessor, component.StabilityLevelBeta),
	)
}

type spanLimit struct {
	max          int
	logger       *zap.Logger
	cut, dropped metric.Int64Counter
}

func newProcessor(ctx context.Context, set processor.Settings, config component.Config, next consumer.Traces) (processor.Traces, error) {
	meter := set.MeterProvider.Meter("otel-llm/backends/collector/spanlimit")
	made := &spanLimit{max: config.(*Config).MaxBytes, logger: set.Logger}
	var err error
	if made.cut, err = meter.Int64Counter(
		"otelcol_processor_span_limit_cut_spans",
		metric.WithDescription("Spans whose texts were cut because the span was larger than max_bytes"),
		metric.WithUnit("{spans}"),
	); err != nil {
		return nil, err
	}
	if made.dropped, err = meter.Int64Counter(
		"otelcol_processor_span_limit_dropped_spans",
		metric.WithDescription("Spans that were dropped because they were larger than max_bytes without their texts"),
		metric.WithUnit("{spans}"),
	); err != nil {
		return nil, err
	}
	// An alert sees the first one only if the counter was there before.
	made.cut.Add(ctx, 0)
	made.dropped.Add(ctx, 0)
	return processorhelper.NewTraces(ctx, set, config, next, made.process,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

func (p *spanLimit) process(ctx context.Context, traces ptrace.Traces) (ptrace.Traces, error) {
	sizer := &ptrace.ProtoMarshaler{}
	if sizer.TracesSize(traces) <= p.max {
		return traces, nil // nearly every request
	}
	traces.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool {
		around := p.bound(resource.Resource().Attributes(), p.max/4)
		resource.ScopeSpans().RemoveIf(func(scope ptrace.ScopeSpans) bool {
			around := around + p.bound(scope.Scope().Attributes(), p.max/4)
			before := scope.Spans().Len()
			scope.Spans().RemoveIf(func(span ptrace.Span) bool {
				size := sizer.SpanSize(span)
				return size > p.max-around && !p.shorten(ctx, sizer, span, size, p.max-around)
			})
			return before > 0 && scope.Spans().Len() == 0
		})
		return resource.ScopeSpans().Len() == 0
	})
	return traces, nil
}

// bound cuts the attributes of a resource or scope, and returns their size.
func (p *spanLimit) bound(attributes pcommon.Map, most int) int {
	found := &texts{}
	found.ofMap("", attributes)
	size := found.size
	if size <= most {
		return size
	}
	if names, fits := found.cut(most); fits {
		p.logger.Warn("texts of a resource or scope were cut", zap.Int("bytes", size), zap.Strings("attributes", names))
		return most
	}
	p.logger.Warn("attributes of a resource or scope were removed: too many", zap.Int("bytes", size))
	attributes.Clear()
	return 0
}

// shorten cuts a span to its most bytes, and reports whether that is possible.
func (p *spanLimit) shorten(ctx context.Context, sizer *ptrace.ProtoMarshaler, span ptrace.Span, size, most int) bool {
	about := []zap.Field{
		zap.String("name", span.Name()), zap.Stringer("trace_id", span.TraceID()), zap.Stringer("span_id", span.SpanID()),
		zap.Int("bytes", size), zap.Int("max_bytes", p.max),
	}
	found := textsOf(span)
	names, fits := found.cut(most - (size - found.size))
	if fits {
		mark(span, names)
		fits = sizer.SpanSize(span) <= most
	}
	if !fits {
		p.dropped.Add(ctx, 1)
		p.logger.Error("span dropped: too large even without its texts", about...)
		return false
	}
	p.cut.Add(ctx, 1)
	p.logger.Warn("texts of a span were cut: it was too large", append(about, zap.Strings("attributes", names))...)
	return true
}

func mark(span ptrace.Span, names []string) {
	listed, exists := span.Attributes().Get(truncated)
	if !exists || listed.Type() != pcommon.ValueTypeSlice {
		listed = span.Attributes().PutEmpty(truncated)
		listed.SetEmptySlice()
	}
	known := map[string]bool{}
	for _, name := range listed.Slice().All() {
		known[name.AsString()] = true
	}
	for _, name := range names {
		if !known[name] {
			known[name] = true
			listed.Slice().AppendEmpty().SetStr(name)
		}
	}
}
