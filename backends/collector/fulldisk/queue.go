package fulldisk

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/collector/extension/xextension/storage"
	"go.uber.org/zap"
)

const (
	page = 4096
	// The file has pages of at least two requests, and a write makes them anew. So to add or delete one may need this many times
	// the largest.
	around      = 4
	firstPause  = 50 * time.Millisecond
	longestWait = 2 * time.Second
	mebibyte    = 1 << 20
)

var errGivenUp = errors.New("the Collector has ended while its disk was full")

// queue is the storage of one exporter's queue. A request in it has a number for its key.
type queue struct {
	storage.Client
	*queues
	file string

	mu       sync.Mutex
	sizes    map[string]int64 // of the requests, key -> bytes of whole pages
	live     int64            // their sum
	largest  int64            // of all since the queue was empty
	moving   int              // how many were read at the start and come back as new ones: they must not be refused
	compared time.Time        // when the file was last compared with what is in it
	givenUp  bool
}

// measure finds the requests that were there before.
func (q *queue) measure(ctx context.Context) error {
	walker, ok := q.Client.(storage.Walker)
	if !ok {
		return errors.New("file_storage can't list what it has")
	}
	return walker.Walk(ctx, func(key string, value []byte) ([]*storage.Operation, error) {
		q.note(&storage.Operation{Key: key, Value: value, Type: storage.Set})
		return nil, nil
	})
}

// Batch writes what adds to the queue if there is room, and everything else in any case.
func (q *queue) Batch(ctx context.Context, ops ...*storage.Operation) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.givenUp {
		return errGivenUp
	}
	found := kindOf(ops)
	if found.adds > 0 && q.moving == 0 {
		if !q.hasRoom(found.adds) {
			return storage.ErrStorageFull
		}
		if err := q.Client.Batch(ctx, ops...); err != nil {
			return err
		}
	} else if err := q.insist(ctx, ops); err != nil {
		return err
	}
	q.note(ops...)
	switch {
	case found.reads > 0 && !found.writes:
		q.moving = present(ops)
	case found.reads > 0:
		q.moving = 0 // a request is sent: the queue has started
	case found.adds > 0:
		q.moving = max(0, q.moving-1)
	}
	if found.deletes > 0 && q.config.Compaction.OnRebound {
		q.compactIfSparse()
	}
	return nil
}

// insist writes until it succeeds. The queue is locked for so long, so its senders wait, too.
func (q *queue) insist(ctx context.Context, ops []*storage.Operation) error {
	err := q.Client.Batch(ctx, ops...)
	for pause := firstPause; err != nil; pause = min(2*pause, longestWait) {
		q.logger.Warn("the disk is full: a queue can't write what it has sent, and tries again", zap.String("queue", q.file), zap.Error(err))
		q.disk.release()
		select {
		case <-q.ended:
			q.givenUp = true
			return errors.Join(errGivenUp, err)
		case <-time.After(pause):
		}
		err = q.Client.Batch(ctx, ops...)
	}
	return nil
}

// hasRoom reports whether a request can be added so that all can still be taken out again. Room that deleted requests have
// left in the file counts.
func (q *queue) hasRoom(size int64) bool {
	needed := size + min(around*max(size, q.largest), q.live+size)
	if !q.disk.reserve() {
		needed += q.disk.size
	}
	free := q.disk.free()
	return free >= needed || free+max(0, allocated(q.file)-q.live) >= needed
}

func (q *queue) note(ops ...*storage.Operation) {
	for _, op := range ops {
		if op.Type == storage.Get || !isRequest(op.Key) {
			continue
		}
		q.live -= q.sizes[op.Key]
		delete(q.sizes, op.Key)
		if op.Type == storage.Set {
			size := pages(op.Value)
			q.sizes[op.Key] = size
			q.live += size
			q.largest = max(q.largest, size)
		}
	}
	if q.live == 0 {
		q.largest = 0
	}
}

// compactIfSparse gives back to the disk what an outage has taken.
func (q *queue) compactIfSparse() {
	set := q.config.Compaction
	if time.Since(q.compared) < set.CheckInterval {
		return
	}
	q.compared = time.Now()
	if q.live <= set.ReboundTriggerThresholdMiB*mebibyte && allocated(q.file) >= set.ReboundNeededThresholdMiB*mebibyte {
		q.compact()
	}
}

func (q *queue) compact() {
	set := q.config.Compaction
	compacting, ok := q.Client.(interface {
		Compact(directory string, timeout time.Duration, most int64) error
	})
	if !ok || q.disk.free() < 2*q.live+q.disk.size {
		return
	}
	if err := compacting.Compact(set.Directory, q.config.Timeout, set.MaxTransactionSize); err != nil {
		q.logger.Error("compaction failed", zap.String("queue", q.file), zap.Error(err))
	}
}

// kind is what a transaction does.
type kind struct {
	adds           int64 // bytes of whole pages, of requests
	reads, deletes int   // of requests
	writes         bool
}

func kindOf(ops []*storage.Operation) kind {
	var found kind
	for _, op := range ops {
		found.writes = found.writes || op.Type != storage.Get
		if !isRequest(op.Key) {
			continue
		}
		switch op.Type {
		case storage.Set:
			found.adds += pages(op.Value)
		case storage.Get:
			found.reads++
		case storage.Delete:
			found.deletes++
		}
	}
	return found
}

func present(read []*storage.Operation) int {
	count := 0
	for _, op := range read {
		if op.Value != nil && isRequest(op.Key) {
			count++
		}
	}
	return count
}

func isRequest(key string) bool {
	_, err := strconv.ParseUint(key, 10, 64)
	return err == nil
}

func pages(value []byte) int64 {
	return (int64(len(value))/page + 1) * page
}
