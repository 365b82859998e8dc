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
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pipeline"
	"go.uber.org/zap"
)

// Config of the connector.
type Config struct {
	// Last are the pipelines that get what all others have taken.
	Last []pipeline.ID `mapstructure:"last"`
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
	made := &inOrder{logger: set.Logger}
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
	return consumer.Capabilities{MutatesData: false}
}

func (c *inOrder) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	taken := traces
	if c.first.Capabilities().MutatesData || c.last.Capabilities().MutatesData {
		taken = ptrace.NewTraces()
		traces.CopyTo(taken)
	}
	if err := c.first.ConsumeTraces(ctx, taken); err != nil {
		return err
	}
	// They are taken. An error would make the sender send them again.
	if err := c.last.ConsumeTraces(ctx, traces); err != nil {
		c.logger.Error("spans were taken, but a last pipeline failed", zap.Int("spans", traces.SpanCount()), zap.Error(err))
	}
	return nil
}
