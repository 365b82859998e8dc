// Package serieslimit bounds how many time series the metrics of applications make: what is new beyond a limit is dropped and
// counted. What is known goes on, so no counter of an application that was there ends.
package serieslimit

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/pkg/pdatautil"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// Config of the processor.
type Config struct {
	// MaxSeries is how many time series there are at most, as Prometheus counts them.
	MaxSeries int `mapstructure:"max_series"`
	// Expiration is how long a series counts after its last data point.
	Expiration time.Duration `mapstructure:"expiration"`
	// Exemplars are kept only if this is set: an application does not know which traces tail sampling will keep.
	Exemplars bool `mapstructure:"exemplars"`
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if c.MaxSeries < 100 || c.Expiration <= 0 {
		return errors.New("max_series must be at least 100, expiration positive")
	}
	return nil
}

// NewFactory makes the factory of the series_limit processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		component.MustNewType("series_limit"),
		func() component.Config { return &Config{MaxSeries: 6000, Expiration: time.Hour} },
		processor.WithMetrics(newProcessor, component.StabilityLevelBeta),
	)
}

// identity of a data point.
type identity struct {
	resource, attributes [16]byte
	scope, metric        string
}

type held struct {
	series int
	seen   time.Time
}

type seriesLimit struct {
	config  *Config
	logger  *zap.Logger
	dropped metric.Int64Counter

	lock       sync.Mutex
	known      map[identity]*held
	used       int
	ofResource map[[16]byte]int
	swept      time.Time
	told       time.Time
}

func newProcessor(ctx context.Context, set processor.Settings, config component.Config, next consumer.Metrics) (processor.Metrics, error) {
	made := &seriesLimit{config: config.(*Config), logger: set.Logger, known: map[identity]*held{}, ofResource: map[[16]byte]int{}}
	var err error
	if made.dropped, err = set.MeterProvider.Meter("otel-llm/backends/collector/serieslimit").Int64Counter(
		"otelcol_processor_series_limit_dropped_points",
		metric.WithDescription("Data points that were dropped because their series would have been more than max_series"),
		metric.WithUnit("{points}"),
	); err != nil {
		return nil, err
	}
	// An alert sees the first one only if the counter was there before.
	made.dropped.Add(ctx, 0)
	return processorhelper.NewMetrics(ctx, set, config, next, made.process,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

func (p *seriesLimit) process(ctx context.Context, metrics pmetric.Metrics) (pmetric.Metrics, error) {
	now := time.Now()
	p.lock.Lock()
	defer p.lock.Unlock()
	p.sweep(now)
	dropped := int64(0)
	metrics.ResourceMetrics().RemoveIf(func(resource pmetric.ResourceMetrics) bool {
		of := identity{resource: pdatautil.MapHash(resource.Resource().Attributes())}
		resource.ScopeMetrics().RemoveIf(func(scope pmetric.ScopeMetrics) bool {
			of.scope = scope.Scope().Name()
			scope.Metrics().RemoveIf(func(one pmetric.Metric) bool {
				of.metric = one.Name()
				before := points(one)
				left := p.limit(of, one, now)
				dropped += int64(before - left)
				return left == 0 && before > 0
			})
			return scope.Metrics().Len() == 0
		})
		return resource.ScopeMetrics().Len() == 0
	})
	if dropped > 0 {
		p.dropped.Add(ctx, dropped)
		if now.Sub(p.told) > time.Minute {
			p.told = now
			p.logger.Warn("too many time series: new ones are dropped", zap.Int("max_series", p.config.MaxSeries), zap.Int64("points", dropped))
		}
	}
	return metrics, nil
}

func points(one pmetric.Metric) int {
	switch one.Type() {
	case pmetric.MetricTypeGauge:
		return one.Gauge().DataPoints().Len()
	case pmetric.MetricTypeSum:
		return one.Sum().DataPoints().Len()
	case pmetric.MetricTypeHistogram:
		return one.Histogram().DataPoints().Len()
	case pmetric.MetricTypeExponentialHistogram:
		return one.ExponentialHistogram().DataPoints().Len()
	case pmetric.MetricTypeSummary:
		return one.Summary().DataPoints().Len()
	default:
		return 0
	}
}

// limit removes the data points that there is no room for, and returns how many are left.
func (p *seriesLimit) limit(of identity, one pmetric.Metric, now time.Time) int {
	numbers := func(point pmetric.NumberDataPoint) bool {
		p.bare(point.Exemplars())
		return !p.admits(of, point.Attributes(), 1, now)
	}
	switch one.Type() {
	case pmetric.MetricTypeGauge:
		one.Gauge().DataPoints().RemoveIf(numbers)
	case pmetric.MetricTypeSum:
		one.Sum().DataPoints().RemoveIf(numbers)
	case pmetric.MetricTypeHistogram:
		one.Histogram().DataPoints().RemoveIf(func(point pmetric.HistogramDataPoint) bool {
			p.bare(point.Exemplars())
			return !p.admits(of, point.Attributes(), point.ExplicitBounds().Len()+3, now)
		})
	case pmetric.MetricTypeExponentialHistogram:
		one.ExponentialHistogram().DataPoints().RemoveIf(func(point pmetric.ExponentialHistogramDataPoint) bool {
			p.bare(point.Exemplars())
			return !p.admits(of, point.Attributes(), 3, now)
		})
	case pmetric.MetricTypeSummary:
		one.Summary().DataPoints().RemoveIf(func(point pmetric.SummaryDataPoint) bool {
			return !p.admits(of, point.Attributes(), point.QuantileValues().Len()+2, now)
		})
	}
	return points(one)
}

func (p *seriesLimit) bare(exemplars pmetric.ExemplarSlice) {
	if !p.config.Exemplars {
		exemplars.RemoveIf(func(pmetric.Exemplar) bool { return true })
	}
}

// admits whether there is room for the data point. One process gets at most half of all series.
func (p *seriesLimit) admits(of identity, attributes pcommon.Map, series int, now time.Time) bool {
	of.attributes = pdatautil.MapHash(attributes)
	if found, ok := p.known[of]; ok {
		found.seen = now
		return true
	}
	// The page has one more series for each process: target_info.
	first := 0
	if p.ofResource[of.resource] == 0 {
		first = 1
	}
	if p.used+series+first > p.config.MaxSeries || p.ofResource[of.resource]+series+first > p.config.MaxSeries/2 {
		return false
	}
	p.known[of] = &held{series + first, now}
	p.used += series + first
	p.ofResource[of.resource] += series + first
	return true
}

func (p *seriesLimit) sweep(now time.Time) {
	if now.Sub(p.swept) < min(time.Minute, p.config.Expiration) {
		return
	}
	p.swept = now
	for of, found := range p.known {
		if now.Sub(found.seen) < p.config.Expiration {
			continue
		}
		delete(p.known, of)
		p.used -= found.series
		if p.ofResource[of.resource] -= found.series; p.ofResource[of.resource] <= 0 {
			delete(p.ofResource, of.resource)
		}
	}
}
