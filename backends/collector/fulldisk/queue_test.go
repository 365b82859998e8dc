package fulldisk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension/extensiontest"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

var ctx = context.Background()

func opened(t *testing.T, directory string, change func(*Config), ended <-chan struct{}) *queue {
	factory := Wrap(filestorage.NewFactory(), ended)
	config := factory.CreateDefaultConfig().(*Config)
	config.Directory, config.Compaction.Directory, config.ReserveBytes = directory, directory, leastReserve
	if change != nil {
		change(config)
	}
	if err := config.Validate(); err != nil {
		t.Fatal(err)
	}
	made, err := factory.Create(ctx, extensiontest.NewNopSettings(factory.Type()), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Start(ctx, nil); err != nil {
		t.Fatal(err)
	}
	client, err := made.(storage.Extension).GetClient(ctx, component.KindExporter, component.MustNewID("otlp"), "traces")
	if err != nil {
		t.Fatal(err)
	}
	return client.(*queue)
}

func add(q *queue, key, size int) error {
	return q.Batch(ctx, storage.SetOperation("qmv0", []byte("m")), storage.SetOperation(strconv.Itoa(key), make([]byte, size)))
}

func take(q *queue, key int) error {
	return q.Batch(ctx, storage.SetOperation("qmv0", []byte("m")), storage.DeleteOperation(strconv.Itoa(key)))
}

func TestThereIsAFileThatReservesRoom(t *testing.T) {
	directory := t.TempDir()
	q := opened(t, directory, nil, nil)
	defer q.Close(ctx)
	if got := allocated(filepath.Join(directory, "reserve")); got < leastReserve {
		t.Fatalf("it has %d bytes", got)
	}
}

func TestItKnowsWhatItHasAlsoAfterARestart(t *testing.T) {
	directory := t.TempDir()
	q := opened(t, directory, nil, nil)
	for key := range 10 {
		if err := add(q, key, 10_000); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(take(q, 0), q.Close(ctx)); err != nil {
		t.Fatal(err)
	}
	q = opened(t, directory, nil, nil)
	defer q.Close(ctx)
	if q.live != 9*3*page || q.largest != 3*page {
		t.Fatalf("%d, the largest %d", q.live, q.largest)
	}
	if found := allocated(q.file); found < q.live {
		t.Fatalf("its file %s has %d bytes", q.file, found)
	}
}

func TestRoomInTheFileCounts(t *testing.T) {
	q := opened(t, t.TempDir(), nil, nil)
	defer q.Close(ctx)
	for key := range 200 {
		if err := add(q, key, 100_000); err != nil {
			t.Fatal(err)
		}
	}
	q.disk.release()
	q.disk.size = 1 << 60 // no disk has this room
	if err := add(q, 200, 100_000); !errors.Is(err, storage.ErrStorageFull) {
		t.Fatal(err)
	}
	q.disk.size = allocated(q.file) / 2
	q.disk.directory = filepath.Join(q.config.Directory, "away") // a disk without room
	if err := add(q, 200, 100_000); !errors.Is(err, storage.ErrStorageFull) {
		t.Fatal(err)
	}
	for key := range 150 {
		if err := take(q, key); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(q, 200, 100_000); err != nil {
		t.Fatal(err)
	}
}

func TestOneRequestNeedsItsRoomTwice(t *testing.T) {
	q := opened(t, t.TempDir(), nil, nil)
	defer q.Close(ctx)
	half := q.disk.free() / 2
	if !q.hasRoom(half - half/10) {
		t.Fatal("an empty queue refuses what fits")
	}
	if q.hasRoom(half + half/10) {
		t.Fatal("it takes what could not be taken out again")
	}
	if err := add(q, 1, 100_000); err != nil {
		t.Fatal(err)
	}
	if err := take(q, 1); err != nil || q.largest != 0 || q.live != 0 {
		t.Fatal(err, q.largest, q.live)
	}
}

// full is a storage that fails as a disk without room.
type full struct {
	storage.Client
	fails int
	calls int
}

func (f *full) Batch(context.Context, ...*storage.Operation) error {
	f.calls++
	if f.calls <= f.fails {
		return syscall.ENOSPC
	}
	return nil
}

func failing(t *testing.T, fails int, ended <-chan struct{}) (*queue, *full) {
	inner := &full{fails: fails}
	config := &Config{Config: filestorage.Config{Compaction: &filestorage.CompactionConfig{}}}
	q := &queues{config: config, logger: zap.NewNop(), ended: ended, disk: &disk{directory: t.TempDir(), size: leastReserve}}
	return &queue{Client: inner, queues: q, sizes: map[string]int64{}}, inner
}

func TestWhatTakesOutOfTheQueueIsTriedUntilItSucceeds(t *testing.T) {
	q, inner := failing(t, 3, nil)
	if !q.disk.reserve() {
		t.Fatal("no reserve")
	}
	if err := take(q, 1); err != nil || inner.calls != 4 {
		t.Fatal(err, inner.calls)
	}
	if _, err := os.Stat(q.disk.path()); !os.IsNotExist(err) {
		t.Fatal("the reserve was not given", err)
	}
	read := storage.GetOperation("1")
	inner.calls = 0
	if err := q.Batch(ctx, storage.SetOperation("qmv0", nil), read); err != nil || inner.calls != 4 {
		t.Fatal(err, inner.calls)
	}
}

func TestWhatAddsToTheQueueIsTriedOnce(t *testing.T) {
	q, inner := failing(t, 1, nil)
	if err := add(q, 1, 10); !errors.Is(err, syscall.ENOSPC) || inner.calls != 1 {
		t.Fatal(err, inner.calls)
	}
	if q.live != 0 {
		t.Fatal("it counts as queued")
	}
}

func TestWhatIsMovedAtTheStartIsNotRefused(t *testing.T) {
	q, inner := failing(t, 0, nil)
	found := &storage.Operation{Key: "1", Type: storage.Get, Value: []byte("x")}
	if err := q.Batch(ctx, found, storage.GetOperation("2")); err != nil {
		t.Fatal(err)
	}
	if err := q.Batch(ctx, storage.DeleteOperation("1"), storage.DeleteOperation("2")); err != nil {
		t.Fatal(err)
	}
	inner.fails, inner.calls = 2, 0
	q.disk.size = 1 << 60
	if err := add(q, 3, 10); err != nil || inner.calls != 3 {
		t.Fatal(err, inner.calls)
	}
	if err := add(q, 4, 10); !errors.Is(err, storage.ErrStorageFull) {
		t.Fatal("one was there, and two came back", err)
	}
}

func TestItGivesUpWhenTheCollectorEndsAndLeavesTheDiskAsItIs(t *testing.T) {
	ended := make(chan struct{})
	q, inner := failing(t, 1<<30, ended)
	time.AfterFunc(20*time.Millisecond, func() { close(ended) })
	if err := take(q, 1); !errors.Is(err, errGivenUp) {
		t.Fatal(err)
	}
	inner.fails, inner.calls = 0, 0
	if err := errors.Join(take(q, 1)); !errors.Is(err, errGivenUp) || inner.calls != 0 {
		t.Fatal("it was written to", err)
	}
}

func TestWhatAnOutageHasTakenIsGivenBack(t *testing.T) {
	q := opened(t, t.TempDir(), func(config *Config) {
		config.Compaction.OnRebound, config.Compaction.CheckInterval = true, time.Nanosecond
		config.Compaction.ReboundNeededThresholdMiB, config.Compaction.ReboundTriggerThresholdMiB = 4, 1
	}, nil)
	defer q.Close(ctx)
	for key := range 60 {
		if err := add(q, key, 100_000); err != nil {
			t.Fatal(err)
		}
	}
	before := allocated(q.file)
	for key := range 59 {
		if err := take(q, key); err != nil {
			t.Fatal(err)
		}
	}
	if after := allocated(q.file); after > before/3 {
		t.Fatalf("%d bytes of %d", after, before)
	}
	left := storage.GetOperation("59")
	if err := q.Batch(ctx, left); err != nil || len(left.Value) != 100_000 {
		t.Fatal(err, len(left.Value))
	}
}
