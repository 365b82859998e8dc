package serieslimit

import (
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/metric/noop"
	"go.uber.org/zap"
)

func counters(process string, from, to int) pmetric.Metrics {
	metrics := pmetric.NewMetrics()
	resource := metrics.ResourceMetrics().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.instance.id", process)
	sum := resource.ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptySum()
	for number := from; number < to; number++ {
		point := sum.DataPoints().AppendEmpty()
		point.Attributes().PutStr("model", fmt.Sprint("m-", number))
		point.Exemplars().AppendEmpty()
	}
	return metrics
}

func made(t *testing.T, config *Config) *seriesLimit {
	t.Helper()
	counter, _ := noop.NewMeterProvider().Meter("").Int64Counter("")
	set := component.TelemetrySettings{Logger: zap.NewNop()}
	return &seriesLimit{config: config, logger: set.Logger, dropped: counter, known: map[identity]*held{}, ofResource: map[[16]byte]int{}}
}

func left(t *testing.T, subject *seriesLimit, metrics pmetric.Metrics) int {
	t.Helper()
	found, err := subject.process(t.Context(), metrics)
	if err != nil {
		t.Fatal(err)
	}
	return found.DataPointCount()
}

func TestWhatIsKnownGoesOnAndWhatIsNewIsDropped(t *testing.T) {
	subject := made(t, &Config{MaxSeries: 200, Expiration: time.Hour})
	// One process gets at most half, with its target_info.
	if found := left(t, subject, counters("a", 0, 150)); found != 99 {
		t.Errorf("%d points", found)
	}
	if found := left(t, subject, counters("b", 0, 50)); found != 50 {
		t.Errorf("%d points of another process", found)
	}
	if found := left(t, subject, counters("a", 0, 150)); found != 99 {
		t.Errorf("%d points of the first", found)
	}
	if found := left(t, subject, counters("c", 0, 80)); found != 48 || subject.used != 200 {
		t.Errorf("%d points of a third, %d series", found, subject.used)
	}
}

func TestSeriesWithoutPointsExpire(t *testing.T) {
	subject := made(t, &Config{MaxSeries: 200, Expiration: time.Hour})
	left(t, subject, counters("a", 0, 150))
	subject.sweep(time.Now().Add(2 * time.Hour))
	if subject.used != 0 || len(subject.known) != 0 || len(subject.ofResource) != 0 {
		t.Errorf("%d series are left", subject.used)
	}
}

func TestExemplarsAreDroppedUnlessTheyAreWanted(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		subject := made(t, &Config{MaxSeries: 200, Expiration: time.Hour, Exemplars: wanted})
		metrics := counters("a", 0, 1)
		left(t, subject, metrics)
		point := metrics.ResourceMetrics().At(0).ScopeMetrics().At(0).Metrics().At(0).Sum().DataPoints().At(0)
		if (point.Exemplars().Len() == 1) != wanted {
			t.Errorf("%d exemplars", point.Exemplars().Len())
		}
	}
}
