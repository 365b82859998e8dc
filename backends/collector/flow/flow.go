// Package flow tells whether the Collector's pipelines move.
//
// A full queue blocks whoever hands data to it. What is decided behind the Kafka receiver then stays in memory, and its
// records must not be committed, also when no new record comes.
package flow

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

// Flow knows the calls that are under way through all its connectors.
type Flow struct {
	mu    sync.Mutex
	next  uint64
	began map[uint64]time.Time
}

// New makes a flow without any call.
func New() *Flow {
	return &Flow{began: map[uint64]time.Time{}}
}

// StoodStill reports whether a call that was under way at a time is still under way.
func (f *Flow) StoodStill(since time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, began := range f.began {
		if !began.After(since) {
			return true
		}
	}
	return false
}

func (f *Flow) enter() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	f.began[f.next] = time.Now()
	return f.next
}

func (f *Flow) leave(call uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.began, call)
}

// Watch makes a factory of the type and configuration of `inner`, a connector between pipelines of one signal. The flow
// knows the calls into the pipelines of traces behind it.
func (f *Flow) Watch(inner connector.Factory) connector.Factory {
	create := func(ctx context.Context, set connector.Settings, config component.Config, next consumer.Traces) (connector.Traces, error) {
		made, err := inner.CreateTracesToTraces(ctx, set, config, next)
		return &watched{Traces: made, flow: f}, err
	}
	return connector.NewFactory(
		inner.Type(),
		inner.CreateDefaultConfig,
		connector.WithTracesToTraces(create, inner.TracesToTracesStability()),
		connector.WithMetricsToMetrics(inner.CreateMetricsToMetrics, inner.MetricsToMetricsStability()),
		connector.WithLogsToLogs(inner.CreateLogsToLogs, inner.LogsToLogsStability()),
	)
}

type watched struct {
	connector.Traces
	flow *Flow
}

func (w *watched) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	call := w.flow.enter()
	defer w.flow.leave(call)
	return w.Traces.ConsumeTraces(ctx, traces)
}
