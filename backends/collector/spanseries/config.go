package spanseries

import (
	"errors"
	"slices"
	"time"
)

// Config of the connector.
type Config struct {
	// MaxSeries is how many time series there are at most, as Prometheus counts them: a histogram makes one for each bucket,
	// its sum and its count.
	MaxSeries int `mapstructure:"max_series"`
	// MaxValues is how many values of one label are told apart: names of spans, models, providers, tenants and errors for
	// each service, services and environments in all.
	MaxValues int `mapstructure:"max_values"`
	// Buckets are the bounds of the histogram of durations.
	Buckets []time.Duration `mapstructure:"buckets"`
	// FlushInterval is how often the metrics are handed on.
	FlushInterval time.Duration `mapstructure:"flush_interval"`
	// Expiration is how long a series lives without a span.
	Expiration time.Duration `mapstructure:"expiration"`
	// ExemplarsOfAll takes exemplars of any trace. Without it, only spans that tail sampling keeps are exemplars: errors,
	// slow spans and those sampled for evaluation.
	ExemplarsOfAll bool `mapstructure:"exemplars_of_all"`
	// Slow is the duration from which tail sampling keeps a span.
	Slow time.Duration `mapstructure:"slow"`
}

func defaultConfig() *Config {
	return &Config{
		MaxSeries: 4000,
		MaxValues: 100,
		Buckets: []time.Duration{
			50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second,
			2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute,
		},
		FlushInterval: 15 * time.Second,
		Expiration:    time.Hour,
		Slow:          10 * time.Second,
	}
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if c.MaxSeries < 100 || c.MaxValues < 1 {
		return errors.New("max_series must be at least 100, max_values at least 1")
	}
	if len(c.Buckets) == 0 || !slices.IsSorted(c.Buckets) {
		return errors.New("buckets must be given in increasing order")
	}
	if c.FlushInterval <= 0 || c.Expiration < c.FlushInterval {
		return errors.New("flush_interval must be positive, and expiration not shorter")
	}
	return nil
}
