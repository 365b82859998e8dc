// Package inorder hands spans to some pipelines only after all others have taken them.
//
// A connector or receiver hands data to all its pipelines, also when one of them refuses it. The sender then sends the
// same spans again, and a pipeline that counts spans counts them each time.
package inorder

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/zap"
)

// Config of the connector.
type Config struct {
	// Last are the pipelines that get what all others have taken.
	Last []pipeline.ID `mapstructure:"last"`
	// Attributes are those that the last pipelines get of spans and resources. Events, links and scopes they never get: a copy
	// of everything would take a tenth of the time.
	Attributes []string `mapstructure:"attributes"`
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if len(c.Last) == 0 {
		return errors.New("last must name a pipeline")
	}
	return nil
}

// NewFactory makes the factory of the in_order connector.
func NewFactory() connector.Factory {
	return connector.NewFactory(
		component.MustNewType("in_order"),
		func() component.Config { return &Config{} },
		connector.WithTracesToTraces(newConnector, component.StabilityLevelBeta),
	)
}

type inOrder struct {
	component.StartFunc
	component.ShutdownFunc
	logger      *zap.Logger
	first, last consumer.Traces
	attributes  map[string]struct{}
}

func newConnector(_ context.Context, set connector.Settings, config component.Config, next consumer.Traces) (connector.Traces, error) {
	pipelines, ok := next.(connector.TracesRouterAndConsumer)
	if !ok {
		return nil, errors.New("in_order needs several pipelines behind it")
	}
	last := config.(*Config).Last
	first := slices.DeleteFunc(pipelines.PipelineIDs(), func(id pipeline.ID) bool { return slices.Contains(last, id) })
	if len(first) == 0 {
		return nil, errors.New("all pipelines behind in_order are `last`: one must decide whether spans are taken")
	}
	made := &inOrder{logger: set.Logger, attributes: map[string]struct{}{}}
	for _, name := range config.(*Config).Attributes {
		made.attributes[name] = struct{}{}
	}
	var err error
	if made.first, err = pipelines.Consumer(first...); err != nil {
		return nil, err
	}
	if made.last, err = pipelines.Consumer(last...); err != nil {
		return nil, fmt.Errorf("last: %w", err)
	}
	return made, nil
}

func (c *inOrder) Capabilities() consumer.Capabilities {
	return consumer.Capabilities{MutatesData: true}
}

func (c *inOrder) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	counted := c.outline(traces) // before the others, which may change the spans
	if err := c.first.ConsumeTraces(ctx, traces); err != nil {
		return err
	}
	// They are taken. An error would make the sender send them again.
	if err := c.last.ConsumeTraces(ctx, counted); err != nil {
		c.logger.Error("spans were taken, but a last pipeline failed", zap.Int("spans", counted.SpanCount()), zap.Error(err))
	}
	return nil
}

// outline copies what the last pipelines get.
func (c *inOrder) outline(traces ptrace.Traces) ptrace.Traces {
	made := ptrace.NewTraces()
	made.ResourceSpans().EnsureCapacity(traces.ResourceSpans().Len())
	for _, resource := range traces.ResourceSpans().All() {
		into := made.ResourceSpans().AppendEmpty()
		c.copyAttributes(resource.Resource().Attributes(), into.Resource().Attributes())
		spans := into.ScopeSpans().AppendEmpty().Spans()
		for _, scope := range resource.ScopeSpans().All() {
			spans.EnsureCapacity(spans.Len() + scope.Spans().Len())
			for _, span := range scope.Spans().All() {
				c.copySpan(span, spans.AppendEmpty())
			}
		}
	}
	return made
}

func (c *inOrder) copySpan(span, into ptrace.Span) {
	into.SetTraceID(span.TraceID())
	into.SetSpanID(span.SpanID())
	into.SetParentSpanID(span.ParentSpanID())
	into.TraceState().FromRaw(span.TraceState().AsRaw())
	into.SetName(span.Name())
	into.SetKind(span.Kind())
	into.SetStartTimestamp(span.StartTimestamp())
	into.SetEndTimestamp(span.EndTimestamp())
	into.Status().SetCode(span.Status().Code())
	c.copyAttributes(span.Attributes(), into.Attributes())
}

func (c *inOrder) copyAttributes(from, into pcommon.Map) {
	for name, value := range from.All() {
		if _, wanted := c.attributes[name]; wanted {
			value.CopyTo(into.PutEmpty(name))
		}
	}
}
