// Package delayedcommit receives traces from Kafka and commits an offset only some time after its record was handed on.
//
// Tail sampling keeps spans in memory until it decides. A receiver that commits when it has handed a record on loses
// those spans when the process is killed. This one commits so late that whatever is not yet decided is not yet
// committed: whoever takes the partition over reads those traces again, whole.
package delayedcommit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kzap"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"

	"otel-llm/backends/collector/flow"
)

const (
	// A record is one trace of one batch: handed on alone each would cost more than its spans.
	recordsAtATime = 500
	tick           = time.Second
	measureEvery   = 10 * time.Second
)

// NewFactory makes the factory of the kafka_delayed_commit receiver. The flow tells it while its pipelines stand still.
func NewFactory(watched *flow.Flow) receiver.Factory {
	create := func(_ context.Context, set receiver.Settings, config component.Config, next consumer.Traces) (receiver.Traces, error) {
		return newReceiver(set, config.(*Config), next, watched)
	}
	return receiver.NewFactory(
		component.MustNewType("kafka_delayed_commit"),
		func() component.Config { return defaultConfig() },
		receiver.WithTraces(create, component.StabilityLevelBeta),
	)
}

type kafkaReceiver struct {
	config     *Config
	logger     *zap.Logger
	next       consumer.Traces
	report     *receiverhelper.ObsReport
	partitions *partitions
	metrics    *metrics
	client     *kgo.Client
	running    sync.WaitGroup
	stop       context.CancelFunc
}

func newReceiver(set receiver.Settings, config *Config, next consumer.Traces, watched *flow.Flow) (*kafkaReceiver, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "kafka", ReceiverCreateSettings: set,
	})
	if err != nil {
		return nil, err
	}
	owned := newPartitions(config.CommitDelay, watched)
	counted, err := newMetrics(set.MeterProvider, config, owned)
	return &kafkaReceiver{
		config: config, logger: set.Logger, next: next, report: report, partitions: owned, metrics: counted,
	}, err
}

func (r *kafkaReceiver) Start(ctx context.Context, _ component.Host) error {
	options, err := r.config.clientOptions(ctx)
	if err != nil {
		return err
	}
	lost := func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
		r.partitions.lost(topics[r.config.Topic])
	}
	r.client, err = kgo.NewClient(append(options,
		kgo.WithLogger(kzap.New(r.logger.Named("franz"), kzap.Level(kgo.LogLevelWarn))),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			r.partitions.assigned(topics[r.config.Topic])
		}),
		kgo.AdjustFetchOffsetsFn(func(_ context.Context, topics map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			r.partitions.begin(topics[r.config.Topic])
			return topics, nil
		}),
		// Nothing is committed on the way out: the next owner reads what is undecided here again.
		kgo.OnPartitionsRevoked(lost),
		kgo.OnPartitionsLost(lost),
	)...)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.running.Go(func() { r.consume(running) })
	r.running.Go(func() { r.commit(running) })
	r.running.Go(func() { r.measure(running) })
	return nil
}

func (r *kafkaReceiver) Shutdown(context.Context) error {
	if r.client == nil {
		return nil
	}
	r.stop()
	r.partitions.watched.End()
	r.running.Wait()
	r.client.Close()
	return r.metrics.unregister()
}

func (r *kafkaReceiver) consume(ctx context.Context) {
	for {
		fetches := r.client.PollFetches(ctx)
		if ctx.Err() != nil || fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, number int32, err error) {
			r.logger.Error("fetch failed", zap.Int32("partition", number), zap.Error(err))
		})
		var working sync.WaitGroup
		fetches.EachPartition(func(fetched kgo.FetchTopicPartition) {
			if len(fetched.Records) > 0 {
				working.Go(func() { r.handOn(ctx, fetched) })
			}
		})
		working.Wait()
	}
}

// handOn passes the records on in their order, many at a time. A consumer that refuses for now is asked again until it
// takes them: meanwhile Kafka keeps the rest.
func (r *kafkaReceiver) handOn(ctx context.Context, fetched kgo.FetchTopicPartition) {
	owned := r.partitions.get(fetched.Partition)
	if missing := owned.missing(fetched.Records[0].Offset); missing > 0 {
		r.metrics.lose(ctx, missing, deleted)
		r.logger.Error("records were deleted before they were read: the topic keeps them for too short a time",
			position(fetched.Records[0]), zap.Int64("records", missing))
	}
	for records := range slices.Chunk(fetched.Records, recordsAtATime) {
		r.handOnTogether(ctx, records)
		if ctx.Err() != nil {
			return
		}
		last := records[len(records)-1]
		r.partitions.handedOn(fetched.Partition, owned, kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1})
	}
}

func (r *kafkaReceiver) handOnTogether(ctx context.Context, records []*kgo.Record) {
	reported := r.report.StartTracesOp(ctx)
	traces := ptrace.NewTraces()
	for _, record := range records {
		read, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(record.Value)
		if err != nil {
			r.metrics.lose(ctx, 1, unreadable)
			r.logger.Error("record is no OTLP, skipped", position(record), zap.Error(err))
			continue
		}
		read.ResourceSpans().MoveAndAppendTo(traces.ResourceSpans())
	}
	spans := traces.SpanCount()
	retries := backoff.NewExponentialBackOff(backoff.WithMaxInterval(5*time.Second), backoff.WithMaxElapsedTime(0))
	err := backoff.Retry(func() error {
		err := r.next.ConsumeTraces(reported, traces)
		if err != nil && consumererror.IsPermanent(err) {
			return backoff.Permanent(err)
		}
		return err
	}, backoff.WithContext(retries, ctx))
	r.report.EndTracesOp(reported, "otlp_proto", spans, err)
	if err != nil && ctx.Err() == nil {
		r.logger.Error("spans refused for good, skipped", position(records[0]), zap.Int("spans", spans), zap.Error(err))
	}
}

func position(record *kgo.Record) zap.Field {
	return zap.String("position", fmt.Sprintf("%s/%d@%d", record.Topic, record.Partition, record.Offset))
}

// commit marks for commit what was handed on long enough ago, also while no records come. The client commits what is
// marked within a second.
func (r *kafkaReceiver) commit(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			committed := r.client.CommittedOffsets()[r.config.Topic]
			if settled := r.partitions.settle(now, committed); len(settled) > 0 {
				r.client.MarkCommitOffsets(map[string]map[int32]kgo.EpochOffset{r.config.Topic: settled})
			}
		}
	}
}

// measure asks Kafka from time to time what there is to read.
func (r *kafkaReceiver) measure(ctx context.Context) {
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	admin := kadm.NewClient(r.client)
	for {
		asking, done := context.WithTimeout(ctx, measureEvery)
		starts, err := admin.ListStartOffsets(asking, r.config.Topic)
		if err == nil {
			var ends kadm.ListedOffsets
			if ends, err = admin.ListEndOffsets(asking, r.config.Topic); err == nil {
				r.partitions.measured(starts[r.config.Topic], ends[r.config.Topic])
			}
		}
		done()
		if err != nil && ctx.Err() == nil {
			r.logger.Warn("Kafka does not tell its offsets: the lag is that of the last time", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
