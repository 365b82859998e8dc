// Package startlast makes a receiver of several signals listen only when the pipelines of all its signals are started.
//
// The Collector starts the components of one pipeline after those behind them, but it may start the otlp receiver's part
// for logs before the exporters for traces. The parts share one server, which starts with the first of them. A span that
// arrives in that moment reaches an exporter that isn't started, and the server panics: "invalid memory address or nil
// pointer dereference" in exporterhelper's queue or in the file exporter.
package startlast

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

// Wrap makes a factory with the type and configuration of `inner`. `ended` is called when its receivers shut down.
func Wrap(inner receiver.Factory, ended func()) receiver.Factory {
	made := &groups{ended: ended, byConfig: map[component.Config]*group{}}
	return receiver.NewFactory(
		inner.Type(),
		inner.CreateDefaultConfig,
		receiver.WithTraces(func(ctx context.Context, set receiver.Settings, config component.Config, next consumer.Traces) (receiver.Traces, error) {
			part, err := inner.CreateTraces(ctx, set, config, next)
			return made.join(config, part, err)
		}, inner.TracesStability()),
		receiver.WithMetrics(func(ctx context.Context, set receiver.Settings, config component.Config, next consumer.Metrics) (receiver.Metrics, error) {
			part, err := inner.CreateMetrics(ctx, set, config, next)
			return made.join(config, part, err)
		}, inner.MetricsStability()),
		receiver.WithLogs(func(ctx context.Context, set receiver.Settings, config component.Config, next consumer.Logs) (receiver.Logs, error) {
			part, err := inner.CreateLogs(ctx, set, config, next)
			return made.join(config, part, err)
		}, inner.LogsStability()),
	)
}

// groups holds the parts of each receiver. The Collector creates all parts with the same configuration, all before it
// starts any.
type groups struct {
	ended func()

	mu       sync.Mutex
	byConfig map[component.Config]*group
}

func (g *groups) join(config component.Config, inner component.Component, err error) (*part, error) {
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	joined := g.byConfig[config]
	if joined == nil {
		joined = &group{leave: func() {
			g.remove(config)
			g.ended()
		}}
		g.byConfig[config] = joined
	}
	joined.waiting++
	return &part{inner: inner, group: joined}, nil
}

func (g *groups) remove(config component.Config) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.byConfig, config)
}

type group struct {
	leave func()

	mu      sync.Mutex
	waiting int
	starts  []func() error
}

// part is the receiver of one signal.
type part struct {
	inner component.Component
	group *group
}

func (p *part) Start(ctx context.Context, host component.Host) error {
	p.group.mu.Lock()
	defer p.group.mu.Unlock()
	p.group.waiting--
	p.group.starts = append(p.group.starts, func() error { return p.inner.Start(ctx, host) })
	if p.group.waiting > 0 {
		return nil
	}
	var failed error
	for _, start := range p.group.starts {
		failed = errors.Join(failed, start())
	}
	return failed
}

func (p *part) Shutdown(ctx context.Context) error {
	p.group.leave()
	return p.inner.Shutdown(ctx)
}
