package startlast

import (
	"context"
	"errors"
	"testing"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/receiver"
)

type config struct{}

// recorded is a receiver of one signal that notes its start.
type recorded struct {
	signal  string
	started *[]string
	err     error
}

func (r *recorded) Start(context.Context, component.Host) error {
	*r.started = append(*r.started, r.signal)
	return r.err
}

func (*recorded) Shutdown(context.Context) error { return nil }

func factory(started *[]string, err error) receiver.Factory {
	return Wrap(receiver.NewFactory(
		component.MustNewType("test"),
		func() component.Config { return &config{} },
		receiver.WithTraces(func(context.Context, receiver.Settings, component.Config, consumer.Traces) (receiver.Traces, error) {
			return &recorded{"traces", started, err}, nil
		}, component.StabilityLevelBeta),
		receiver.WithLogs(func(context.Context, receiver.Settings, component.Config, consumer.Logs) (receiver.Logs, error) {
			return &recorded{"logs", started, nil}, nil
		}, component.StabilityLevelBeta),
	), func() {})
}

func parts(t *testing.T, of receiver.Factory, with component.Config) (traces, logs component.Component) {
	t.Helper()
	set := receiver.Settings{ID: component.NewID(of.Type())}
	traces, first := of.CreateTraces(t.Context(), set, with, nil)
	logs, second := of.CreateLogs(t.Context(), set, with, nil)
	if err := errors.Join(first, second); err != nil {
		t.Fatal(err)
	}
	return traces, logs
}

func TestNoPartStartsBeforeTheLast(t *testing.T) {
	var started []string
	made := factory(&started, nil)
	traces, logs := parts(t, made, made.CreateDefaultConfig())
	if err := logs.Start(t.Context(), nil); err != nil || len(started) > 0 {
		t.Fatalf("the part for logs started alone: %v, %v", started, err)
	}
	if err := traces.Start(t.Context(), nil); err != nil || len(started) != 2 {
		t.Fatalf("not both parts started: %v, %v", started, err)
	}
}

func TestTwoReceiversDoNotWaitForEachOther(t *testing.T) {
	var started []string
	made := factory(&started, nil)
	one, _ := parts(t, made, &struct{ config }{})
	other, err := made.CreateLogs(t.Context(), receiver.Settings{ID: component.NewID(made.Type())}, &struct{ name int }{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if one.Start(t.Context(), nil) != nil || len(started) > 0 {
		t.Fatal("the first receiver started with one of its two parts")
	}
	if other.Start(t.Context(), nil) != nil || len(started) != 1 {
		t.Fatal("the second receiver waited for the first")
	}
}

func TestAFailedStartIsToldOnce(t *testing.T) {
	var started []string
	broken := errors.New("the port is taken")
	made := factory(&started, broken)
	traces, logs := parts(t, made, made.CreateDefaultConfig())
	if err := traces.Start(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := logs.Start(t.Context(), nil); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
}

func TestARestartWithTheSameConfigurationWaitsAgain(t *testing.T) {
	var started []string
	made := factory(&started, nil)
	with := made.CreateDefaultConfig()
	traces, logs := parts(t, made, with)
	for _, part := range []component.Component{traces, logs} {
		if part.Start(t.Context(), nil) != nil {
			t.Fatal("it does not start")
		}
	}
	for _, part := range []component.Component{traces, logs} {
		if part.Shutdown(t.Context()) != nil {
			t.Fatal("it does not end")
		}
	}
	traces, _ = parts(t, made, with)
	if traces.Start(t.Context(), nil) != nil || len(started) != 2 {
		t.Fatal("the second time, one part started alone")
	}
}
