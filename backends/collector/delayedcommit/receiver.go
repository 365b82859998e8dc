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
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/plugin/kzap"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/consumer/consumererror"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/receiverhelper"
	"go.uber.org/zap"
)

// A record is one trace of one batch: handed on alone each would cost more than its spans.
const recordsAtATime = 500

// NewFactory makes the factory of the kafka_delayed_commit receiver.
func NewFactory() receiver.Factory {
	return receiver.NewFactory(
		component.MustNewType("kafka_delayed_commit"),
		func() component.Config { return defaultConfig() },
		receiver.WithTraces(newReceiver, component.StabilityLevelBeta),
	)
}

// handed is where in a partition the records begin that were handed on after a moment.
type handed struct {
	at   time.Time
	next kgo.EpochOffset
}

// partition is one that this member owns now.
type partition struct {
	handed []handed // oldest first
}

type kafkaReceiver struct {
	config  *Config
	logger  *zap.Logger
	next    consumer.Traces
	report  *receiverhelper.ObsReport
	client  *kgo.Client
	running sync.WaitGroup
	stop    context.CancelFunc

	mu    sync.Mutex
	owned map[int32]*partition
}

func newReceiver(_ context.Context, set receiver.Settings, config component.Config, next consumer.Traces) (receiver.Traces, error) {
	report, err := receiverhelper.NewObsReport(receiverhelper.ObsReportSettings{
		ReceiverID: set.ID, Transport: "kafka", ReceiverCreateSettings: set,
	})
	return &kafkaReceiver{
		config: config.(*Config), logger: set.Logger, next: next, report: report, owned: map[int32]*partition{},
	}, err
}

func (r *kafkaReceiver) Start(ctx context.Context, _ component.Host) error {
	options, err := r.config.clientOptions(ctx)
	if err != nil {
		return err
	}
	r.client, err = kgo.NewClient(append(options,
		kgo.WithLogger(kzap.New(r.logger.Named("franz"), kzap.Level(kgo.LogLevelWarn))),
		kgo.AutoCommitMarks(),
		kgo.AutoCommitInterval(time.Second),
		kgo.OnPartitionsAssigned(r.assigned),
		// Nothing is committed on the way out: the next owner reads what is undecided here again.
		kgo.OnPartitionsRevoked(r.lost),
		kgo.OnPartitionsLost(r.lost),
	)...)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.running.Go(func() { r.consume(running) })
	return nil
}

func (r *kafkaReceiver) Shutdown(context.Context) error {
	if r.client == nil {
		return nil
	}
	r.stop()
	r.running.Wait()
	r.client.Close()
	return nil
}

func (r *kafkaReceiver) assigned(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, number := range topics[r.config.Topic] {
		r.owned[number] = &partition{}
	}
}

func (r *kafkaReceiver) lost(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, number := range topics[r.config.Topic] {
		delete(r.owned, number)
	}
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
	r.mu.Lock()
	owned := r.owned[fetched.Partition]
	r.mu.Unlock()
	for records := range slices.Chunk(fetched.Records, recordsAtATime) {
		r.handOnTogether(ctx, records)
		if ctx.Err() != nil {
			return
		}
	}
	if owned != nil {
		last := fetched.Records[len(fetched.Records)-1]
		r.settle(fetched.Partition, owned, handed{time.Now(), kgo.EpochOffset{Epoch: last.LeaderEpoch, Offset: last.Offset + 1}})
	}
}

func (r *kafkaReceiver) handOnTogether(ctx context.Context, records []*kgo.Record) {
	reported := r.report.StartTracesOp(ctx)
	traces := ptrace.NewTraces()
	for _, record := range records {
		read, err := (&ptrace.ProtoUnmarshaler{}).UnmarshalTraces(record.Value)
		if err != nil {
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

// settle marks for commit what was handed on at least the delay before now. Time counts only while records are taken:
// where the pipeline stands still, nothing is decided either.
func (r *kafkaReceiver) settle(number int32, owned *partition, now handed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.owned[number] != owned {
		return // lost meanwhile
	}
	settled := 0
	for settled < len(owned.handed) && now.at.Sub(owned.handed[settled].at) >= r.config.CommitDelay {
		settled++
	}
	if settled > 0 {
		r.client.MarkCommitOffsets(map[string]map[int32]kgo.EpochOffset{
			r.config.Topic: {number: owned.handed[settled-1].next},
		})
		owned.handed = owned.handed[settled:]
	}
	// One mark a second is fine enough, and bounds the list.
	if last := len(owned.handed) - 1; last < 0 || now.at.Sub(owned.handed[last].at) >= time.Second {
		owned.handed = append(owned.handed, now)
	}
}
