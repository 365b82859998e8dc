package delayedcommit

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Why records are lost.
const (
	deleted    = "deleted"
	unreadable = "unreadable"
)

// metrics are those that this receiver has beside what all receivers have.
type metrics struct {
	lost         metric.Int64Counter
	registration metric.Registration
}

func newMetrics(provider metric.MeterProvider, config *Config, owned *partitions) (*metrics, error) {
	meter := provider.Meter("otel-llm/backends/collector/delayedcommit")
	lag, first := meter.Int64ObservableGauge(
		"otelcol_kafka_delayed_commit_lag",
		metric.WithDescription("Records of a partition of this gateway that it has not read yet"),
		metric.WithUnit("{records}"),
	)
	age, second := meter.Float64ObservableGauge(
		"otelcol_kafka_delayed_commit_uncommitted_age",
		metric.WithDescription("Seconds since the oldest record that is not committed was read"),
		metric.WithUnit("s"),
	)
	mine, third := meter.Int64ObservableGauge(
		"otelcol_kafka_delayed_commit_partitions",
		metric.WithDescription("Partitions that this gateway reads"),
		metric.WithUnit("{partitions}"),
	)
	all, fourth := meter.Int64ObservableGauge(
		"otelcol_kafka_delayed_commit_topic_partitions",
		metric.WithDescription("Partitions of the topic, whoever reads them"),
		metric.WithUnit("{partitions}"),
	)
	lost, fifth := meter.Int64Counter(
		"otelcol_kafka_delayed_commit_lost_records",
		metric.WithDescription("Records that were deleted before they were read, or that could not be read"),
		metric.WithUnit("{records}"),
	)
	if err := errors.Join(first, second, third, fourth, fifth); err != nil {
		return nil, err
	}
	for _, reason := range []string{deleted, unreadable} {
		// An alert sees the first one only if the counter was there before.
		lost.Add(context.Background(), 0, metric.WithAttributes(attribute.String("reason", reason)))
	}
	topic := attribute.String("topic", config.Topic)
	registration, err := meter.RegisterCallback(func(_ context.Context, observer metric.Observer) error {
		found, number := owned.states(time.Now())
		for partition, each := range found {
			of := metric.WithAttributes(topic, attribute.Int("partition", int(partition)))
			observer.ObserveInt64(lag, each.lag, of)
			observer.ObserveFloat64(age, each.age.Seconds(), of)
		}
		observer.ObserveInt64(mine, int64(len(found)), metric.WithAttributes(topic))
		observer.ObserveInt64(all, int64(number), metric.WithAttributes(topic))
		return nil
	}, lag, age, mine, all)
	return &metrics{lost, registration}, err
}

func (m *metrics) lose(ctx context.Context, records int64, reason string) {
	m.lost.Add(ctx, records, metric.WithAttributes(attribute.String("reason", reason)))
}

func (m *metrics) unregister() error { return m.registration.Unregister() }
