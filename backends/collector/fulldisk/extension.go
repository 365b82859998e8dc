// Package fulldisk lets the queues on a disk that is full lose nothing.
//
// When exporterhelper's queue can't write that it begins to send a request, it drops the request, though its sender was told
// that it is safe, and no counter tells. So a write that adds to a queue is refused here while there would be no room left
// for the writes that take out of it, and those are tried again until they succeed. Other programs may fill the disk, too:
// a file reserves room for that case.
package fulldisk

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/storage/filestorage"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

// Config is the one of file_storage, and the room that is reserved.
type Config struct {
	filestorage.Config `mapstructure:",squash"`
	// ReserveBytes is the size of the file that reserves room for taking requests out of the queues.
	ReserveBytes int64 `mapstructure:"reserve_bytes"`
}

// Validate is called by the Collector before anything starts.
func (c *Config) Validate() error {
	if c.ReserveBytes < leastReserve {
		return errors.New("reserve_bytes must be at least 1048576")
	}
	return c.Config.Validate()
}

const leastReserve = 1 << 20

// Wrap makes a file_storage factory whose queues lose nothing on a full disk. What waits for room gives up when `ended` is
// closed; then it is on the disk as if the process had been killed.
func Wrap(inner extension.Factory, ended <-chan struct{}) extension.Factory {
	return extension.NewFactory(
		inner.Type(),
		func() component.Config {
			return &Config{Config: *inner.CreateDefaultConfig().(*filestorage.Config), ReserveBytes: 16 << 20}
		},
		func(ctx context.Context, set extension.Settings, config component.Config) (extension.Extension, error) {
			ours := config.(*Config)
			theirs := ours.Config
			// Theirs needs room for a copy, and when there is none, it keeps open the part that it has written.
			compaction := *ours.Compaction
			compaction.OnStart, compaction.OnRebound = false, false
			theirs.Compaction = &compaction
			made, err := inner.Create(ctx, set, &theirs)
			if err != nil {
				return nil, err
			}
			return &queues{
				Extension: made.(storage.Extension), config: ours, logger: set.Logger, ended: ended,
				disk: &disk{directory: ours.Directory, size: ours.ReserveBytes},
			}, nil
		},
		inner.Stability(),
	)
}

type queues struct {
	storage.Extension
	config *Config
	logger *zap.Logger
	ended  <-chan struct{}
	disk   *disk
}

func (q *queues) Start(ctx context.Context, host component.Host) error {
	if err := q.Extension.Start(ctx, host); err != nil {
		return err
	}
	if !q.disk.reserve() {
		q.logger.Warn("the disk has no room for its reserve: the queues take nothing until it has", zap.Int64("bytes", q.disk.size))
	}
	return nil
}

func (q *queues) GetClient(ctx context.Context, kind component.Kind, id component.ID, name string) (storage.Client, error) {
	inner, err := q.Extension.GetClient(ctx, kind, id, name)
	if err != nil {
		return nil, err
	}
	// The name that file_storage gives. Without such a file, only the disk's own room counts.
	file := filepath.Join(q.config.Directory, strings.Join([]string{strings.ToLower(kind.String()), id.Type().String(), id.Name(), name}, "_"))
	made := &queue{Client: inner, queues: q, file: file, sizes: map[string]int64{}}
	if err := made.measure(ctx); err != nil {
		return nil, errors.Join(err, inner.Close(ctx))
	}
	if q.config.Compaction.OnStart {
		made.compact()
	}
	return made, nil
}
