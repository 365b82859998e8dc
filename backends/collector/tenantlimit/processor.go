// Package tenantlimit bounds how many spans each tenant may send: what is beyond is dropped and counted, so that one tenant
// does not take the room of all others.
package tenantlimit

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.uber.org/zap"
)

// other is the tenant of all that are beyond the number that is told apart.
const other = "_OTHER"

// Config of the processor.
type Config struct {
	// Attribute of a span, or of its resource, that names the tenant. Spans without one are not limited.
	Attribute string `mapstructure:"attribute"`
	// SpansPerSecond that a tenant may send for any length of time. Zero is no limit.
	SpansPerSecond float64 `mapstructure:"spans_per_second"`
	// Burst is for how long a tenant that sends nothing saves up spans.
	Burst time.Duration `mapstructure:"burst"`
	// MaxTenants that are told apart at one time. The others share one limit.
	MaxTenants int `mapstructure:"max_tenants"`
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if c.Attribute == "" || c.SpansPerSecond < 0 || c.Burst < time.Second || c.MaxTenants < 1 {
		return errors.New("attribute must be given, spans_per_second at least 0, burst at least 1s, max_tenants at least 1")
	}
	return nil
}

// most is how many spans a tenant may send at once. It is at least one, or a tenant could never send any.
func (c *Config) most() float64 {
	return max(1, c.SpansPerSecond*c.Burst.Seconds())
}

// NewFactory makes the factory of the tenant_limit processor.
func NewFactory() processor.Factory {
	return processor.NewFactory(
		component.MustNewType("tenant_limit"),
		func() component.Config {
			return &Config{Attribute: "otel_llm.tenant.id", Burst: 10 * time.Second, MaxTenants: 1000}
		},
		processor.WithTraces(newProcessor, component.StabilityLevelBeta),
	)
}

// bucket has a token for each span that a tenant may send now.
type bucket struct {
	tokens float64
	filled time.Time
}

type tenantLimit struct {
	config  *Config
	logger  *zap.Logger
	dropped metric.Int64Counter
	now     func() time.Time

	lock    sync.Mutex
	buckets map[string]*bucket
	named   map[string]bool // tenants of the counter
	told    time.Time
}

func newProcessor(ctx context.Context, set processor.Settings, config component.Config, next consumer.Traces) (processor.Traces, error) {
	made := &tenantLimit{
		config: config.(*Config), logger: set.Logger, now: time.Now,
		buckets: map[string]*bucket{}, named: map[string]bool{},
	}
	var err error
	if made.dropped, err = set.MeterProvider.Meter("otel-llm/backends/collector/tenantlimit").Int64Counter(
		"otelcol_processor_tenant_limit_dropped_spans",
		metric.WithDescription("Spans that were dropped because their tenant had sent more than spans_per_second"),
		metric.WithUnit("{spans}"),
	); err != nil {
		return nil, err
	}
	return processorhelper.NewTraces(ctx, set, config, next, made.process,
		processorhelper.WithCapabilities(consumer.Capabilities{MutatesData: true}))
}

func (p *tenantLimit) process(ctx context.Context, traces ptrace.Traces) (ptrace.Traces, error) {
	if p.config.SpansPerSecond == 0 {
		return traces, nil
	}
	dropped := p.limit(traces)
	for tenant, count := range dropped {
		p.dropped.Add(ctx, count, metric.WithAttributes(attribute.String("tenant", tenant)))
	}
	if traces.SpanCount() == 0 && len(dropped) > 0 {
		return traces, processorhelper.ErrSkipProcessingData
	}
	return traces, nil
}

// limit removes the spans of tenants that have sent too many, and returns how many of which.
func (p *tenantLimit) limit(traces ptrace.Traces) map[string]int64 {
	p.lock.Lock()
	defer p.lock.Unlock()
	now, dropped := p.now(), map[string]int64{}
	traces.ResourceSpans().RemoveIf(func(resource ptrace.ResourceSpans) bool {
		ofResource := p.tenant(resource.Resource().Attributes(), "")
		resource.ScopeSpans().RemoveIf(func(scope ptrace.ScopeSpans) bool {
			before := scope.Spans().Len()
			scope.Spans().RemoveIf(func(span ptrace.Span) bool {
				tenant := p.tenant(span.Attributes(), ofResource)
				if tenant == "" || p.admits(tenant, now) {
					return false
				}
				dropped[p.name(tenant)]++
				return true
			})
			return before > 0 && scope.Spans().Len() == 0
		})
		return resource.ScopeSpans().Len() == 0
	})
	if len(dropped) > 0 && now.Sub(p.told) > time.Minute {
		p.told = now
		p.logger.Warn("tenants send more spans than they may: what is beyond is dropped", zap.Any("dropped", dropped))
	}
	return dropped
}

func (p *tenantLimit) tenant(attributes pcommon.Map, otherwise string) string {
	if found, ok := attributes.Get(p.config.Attribute); ok {
		return found.AsString()
	}
	return otherwise
}

func (p *tenantLimit) admits(tenant string, now time.Time) bool {
	found := p.buckets[tenant]
	if found == nil {
		if len(p.buckets) >= p.config.MaxTenants {
			p.forgetFull(now)
		}
		if len(p.buckets) >= p.config.MaxTenants && tenant != other {
			return p.admits(other, now)
		}
		found = &bucket{tokens: p.config.most(), filled: now}
		p.buckets[tenant] = found
	}
	p.fill(found, now)
	if found.tokens < 1 {
		return false
	}
	found.tokens--
	return true
}

func (p *tenantLimit) fill(one *bucket, now time.Time) {
	one.tokens = min(p.config.most(), one.tokens+now.Sub(one.filled).Seconds()*p.config.SpansPerSecond)
	one.filled = now
}

// forgetFull removes the buckets that say no more than new ones would.
func (p *tenantLimit) forgetFull(now time.Time) {
	for tenant, one := range p.buckets {
		if p.fill(one, now); one.tokens >= p.config.most() {
			delete(p.buckets, tenant)
		}
	}
}

// name of a tenant for the counter, which would grow without end.
func (p *tenantLimit) name(tenant string) string {
	if !p.named[tenant] && len(p.named) >= p.config.MaxTenants {
		return other
	}
	p.named[tenant] = true
	return tenant
}
