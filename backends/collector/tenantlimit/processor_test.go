package tenantlimit

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.uber.org/zap"
)

const tenantID = "otel_llm.tenant.id"

func limiter(rate float64, burst time.Duration, tenants int) (*tenantLimit, *time.Time) {
	now := time.Unix(1000, 0)
	made := &tenantLimit{
		config:  &Config{Attribute: tenantID, SpansPerSecond: rate, Burst: burst, MaxTenants: tenants},
		logger:  zap.NewNop(),
		now:     func() time.Time { return now },
		buckets: map[string]*bucket{}, named: map[string]bool{},
	}
	return made, &now
}

func TestWithoutARateNothingIsLimited(t *testing.T) {
	p, _ := limiter(0, time.Second, 10)
	traces := of("a", "", "", "")
	if passed, err := p.process(context.Background(), traces); err != nil || passed.SpanCount() != 3 {
		t.Fatal(err, passed.SpanCount())
	}
}

// of makes spans of tenants, in this order; "" for a span without one.
func of(resource string, tenants ...string) ptrace.Traces {
	traces := ptrace.NewTraces()
	into := traces.ResourceSpans().AppendEmpty()
	if resource != "" {
		into.Resource().Attributes().PutStr(tenantID, resource)
	}
	spans := into.ScopeSpans().AppendEmpty().Spans()
	for _, tenant := range tenants {
		if span := spans.AppendEmpty(); tenant != "" {
			span.Attributes().PutStr(tenantID, tenant)
		}
	}
	return traces
}

func expect(t *testing.T, p *tenantLimit, traces ptrace.Traces, left int, dropped map[string]int64) {
	t.Helper()
	got := p.limit(traces)
	if traces.SpanCount() != left || fmt.Sprint(got) != fmt.Sprint(dropped) {
		t.Fatalf("%d are left, %v dropped", traces.SpanCount(), got)
	}
}

func TestATenantThatSendsTooMuchTakesNothingFromTheOthers(t *testing.T) {
	p, _ := limiter(1, 3*time.Second, 10)
	expect(t, p, of("", "a", "a", "a", "a", "b", "a", "b", ""), 6, map[string]int64{"a": 2})
	expect(t, p, of("", "a", "b", ""), 2, map[string]int64{"a": 1})
}

func TestItMaySendAgainAtItsRate(t *testing.T) {
	p, now := limiter(1, 3*time.Second, 10)
	expect(t, p, of("", "a", "a", "a"), 3, nil)
	*now = now.Add(2 * time.Second)
	expect(t, p, of("", "a", "a", "a"), 2, map[string]int64{"a": 1})
	*now = now.Add(time.Hour)
	expect(t, p, of("", "a", "a", "a", "a"), 3, map[string]int64{"a": 1})
}

func TestASpansOwnTenantComesBeforeItsResources(t *testing.T) {
	p, _ := limiter(1, time.Second, 10)
	expect(t, p, of("house", "", "", "guest"), 2, map[string]int64{"house": 1})
}

func TestTenantsBeyondTheNumberShareOneLimit(t *testing.T) {
	p, now := limiter(1, 2*time.Second, 2)
	expect(t, p, of("", "a", "b", "c", "d", "e"), 4, map[string]int64{"e": 1})
	expect(t, p, of("", "f"), 0, map[string]int64{"f": 1})
	expect(t, p, of("", "g"), 0, map[string]int64{other: 1})
	if len(p.buckets) > 3 {
		t.Fatal(len(p.buckets))
	}
	*now = now.Add(time.Minute) // those that were there have nothing to remember
	expect(t, p, of("", "c", "c", "c"), 2, map[string]int64{other: 1})
}
