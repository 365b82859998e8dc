package delayedcommit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/kafka/configkafka"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Config has the keys of the kafka receiver for reaching the brokers, and what this receiver needs beside them.
type Config struct {
	configkafka.ClientConfig `mapstructure:",squash"`

	// Topic holds OTLP protobuf traces, as the kafka exporter writes them.
	Topic string `mapstructure:"topic"`
	// GroupID is the consumer group: its members share the partitions of the topic.
	GroupID string `mapstructure:"group_id"`
	// CommitDelay is how long after a record was handed on its offset is committed. It has to be longer than all that
	// holds spans in memory behind this receiver: twice the decision_wait of tail sampling is a good measure.
	CommitDelay time.Duration `mapstructure:"commit_delay"`
	// SessionTimeout is how long a member may be silent before the others take over its partitions.
	SessionTimeout time.Duration `mapstructure:"session_timeout"`
	// MaxFetchSize bounds the bytes of one fetch.
	MaxFetchSize int32 `mapstructure:"max_fetch_size"`
}

func defaultConfig() *Config {
	return &Config{
		ClientConfig:   configkafka.NewDefaultClientConfig(),
		Topic:          "otlp_spans",
		GroupID:        "otel-collector",
		CommitDelay:    time.Minute,
		SessionTimeout: 10 * time.Second,
		MaxFetchSize:   8 << 20,
	}
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if c.Topic == "" || c.GroupID == "" {
		return errors.New("topic and group_id must not be empty")
	}
	if c.CommitDelay <= 0 {
		return errors.New("commit_delay must be positive: longer than the decision_wait of tail sampling")
	}
	if c.Authentication.SASL != nil {
		_, err := c.saslMechanism()
		return err
	}
	return nil
}

func (c *Config) saslMechanism() (sasl.Mechanism, error) {
	auth := c.Authentication.SASL
	switch auth.Mechanism {
	case "PLAIN":
		return plain.Auth{User: auth.Username, Pass: auth.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: auth.Username, Pass: auth.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: auth.Username, Pass: auth.Password}.AsSha512Mechanism(), nil
	}
	return nil, fmt.Errorf("auth.sasl.mechanism %q is not supported: use PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512", auth.Mechanism)
}

func (c *Config) clientOptions(ctx context.Context) ([]kgo.Opt, error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(c.Brokers...),
		kgo.ClientID(c.ClientID),
		kgo.ConsumerGroup(c.GroupID),
		kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(c.SessionTimeout),
		kgo.HeartbeatInterval(c.SessionTimeout / 3),
		kgo.FetchMaxBytes(c.MaxFetchSize),
		kgo.FetchMaxPartitionBytes(c.MaxFetchSize),
		kgo.MetadataMaxAge(c.Metadata.RefreshInterval),
	}
	if c.TLS != nil {
		tls, err := c.TLS.LoadTLSConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		if tls != nil {
			options = append(options, kgo.DialTLSConfig(tls))
		}
	}
	if c.Authentication.SASL != nil {
		mechanism, err := c.saslMechanism()
		if err != nil {
			return nil, err
		}
		options = append(options, kgo.SASL(mechanism))
	}
	return options, nil
}
