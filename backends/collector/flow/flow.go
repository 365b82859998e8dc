// Package flow tells whether the Collector's pipelines move, and holds back what they can't take for now.
//
// A full queue blocks whoever hands data to it. What is decided behind the Kafka receiver then stays in memory, and its
// records must not be committed, also when no new record comes.
//
// Behind a batch processor, nobody sends again what a pipeline refuses, because its disk is full, say. So it is held back
// here until the pipeline takes it.
package flow

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/connector"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// What exporterhelper says of a request that is larger than the whole queue. It will never fit.
const tooLarge = "element size too large"

// Flow knows the calls that are under way through all its connectors.
type Flow struct {
	ended context.Context
	end   context.CancelFunc

	mu    sync.Mutex
	next  uint64
	began map[uint64]time.Time
}

// New makes a flow without any call.
func New() *Flow {
	ended, end := context.WithCancel(context.Background())
	return &Flow{ended: ended, end: end, began: map[uint64]time.Time{}}
}

// End gives up what is held back. The receivers call it when they shut down: the processors behind them end only when
// the calls that they are in have ended.
func (f *Flow) End() { f.end() }

// Ended is closed by End.
func (f *Flow) Ended() <-chan struct{} { return f.ended.Done() }

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

// Watch makes a factory of the type and configuration of `inner`, a connector between pipelines of one signal that hands
// on what it gets. The flow knows the calls into the pipelines of traces behind it.
func (f *Flow) Watch(inner connector.Factory) connector.Factory {
	create := func(ctx context.Context, set connector.Settings, config component.Config, next consumer.Traces) (connector.Traces, error) {
		made, err := inner.CreateTracesToTraces(ctx, set, config, next)
		if err != nil {
			return nil, err
		}
		behind, err := pipelines(next)
		if err != nil {
			return nil, err
		}
		lost, err := set.MeterProvider.Meter("otel-llm/backends/collector/flow").Int64Counter(
			"otelcol_connector_forward_lost_spans",
			metric.WithDescription("Spans that a pipeline refused for good, or until the Collector ended, and that nobody sends again"),
			metric.WithUnit("{spans}"),
		)
		if err != nil {
			return nil, err
		}
		// An alert sees the first one only if the counter was there before.
		lost.Add(ctx, 0)
		return &watched{Traces: made, flow: f, behind: behind, lost: lost, logger: set.Logger}, nil
	}
	return connector.NewFactory(
		inner.Type(),
		inner.CreateDefaultConfig,
		connector.WithTracesToTraces(create, inner.TracesToTracesStability()),
		connector.WithMetricsToMetrics(inner.CreateMetricsToMetrics, inner.MetricsToMetricsStability()),
		connector.WithLogsToLogs(inner.CreateLogsToLogs, inner.LogsToLogsStability()),
	)
}

func pipelines(next consumer.Traces) ([]consumer.Traces, error) {
	router, ok := next.(connector.TracesRouterAndConsumer)
	if !ok {
		return []consumer.Traces{next}, nil
	}
	var behind []consumer.Traces
	for _, id := range router.PipelineIDs() {
		each, err := router.Consumer(id)
		if err != nil {
			return nil, err
		}
		behind = append(behind, each)
	}
	return behind, nil
}

type watched struct {
	connector.Traces
	flow   *Flow
	behind []consumer.Traces
	lost   metric.Int64Counter
	logger *zap.Logger
}

func (w *watched) ConsumeTraces(ctx context.Context, traces ptrace.Traces) error {
	call := w.flow.enter()
	defer w.flow.leave(call)
	if ctx.Done() != nil {
		return w.Traces.ConsumeTraces(ctx, traces) // someone waits, and sends again what is refused
	}
	// Each pipeline by itself: one that has taken the spans must not get them again because another has not.
	var failed error
	for _, pipeline := range w.behind {
		if err := w.until(pipeline, traces); err != nil {
			w.lost.Add(ctx, int64(traces.SpanCount()))
			w.logger.Error("spans lost: a pipeline refused them", zap.Int("spans", traces.SpanCount()), zap.Error(err))
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// until hands spans to a pipeline again and again, until it takes them or refuses them for good, or the Collector ends.
func (w *watched) until(pipeline consumer.Traces, traces ptrace.Traces) error {
	retries := backoff.NewExponentialBackOff(backoff.WithMaxInterval(10*time.Second), backoff.WithMaxElapsedTime(0))
	return backoff.Retry(func() error {
		given := traces
		if pipeline.Capabilities().MutatesData {
			given = ptrace.NewTraces()
			traces.CopyTo(given)
		}
		err := pipeline.ConsumeTraces(context.Background(), given)
		if err != nil && (consumererror.IsPermanent(err) || strings.Contains(err.Error(), tooLarge)) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(retries, w.flow.ended))
}
