package spanlimit

import "errors"

// The limit must leave room for what a span has beside its texts.
const leastBytes = 4096

// Config of the processor.
type Config struct {
	// MaxBytes bounds a span together with its resource and scope, as OTLP protobuf. Later processors may make a span a
	// little longer, so it should be well below what the exporters can send.
	MaxBytes int `mapstructure:"max_bytes"`
}

func defaultConfig() *Config {
	return &Config{MaxBytes: 2 << 20}
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if c.MaxBytes < leastBytes {
		return errors.New("max_bytes must be at least 4096")
	}
	return nil
}
