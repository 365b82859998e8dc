package delayedcommit

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"otel-llm/backends/collector/flow"
)

// unknown is where a partition begins that has no committed offset.
const unknown = -1

// partition is one that this member owns now.
type partition struct {
	next  kgo.EpochOffset // behind the last record that was handed on
	marks []mark          // of what is not committed yet, oldest first
}

// mark says how far a partition was handed on at a time.
type mark struct {
	moved time.Duration
	at    time.Time
	next  kgo.EpochOffset
}

// missing is how many records there were between those that were handed on and an offset.
func (p *partition) missing(offset int64) int64 {
	if p == nil || p.next.Offset == unknown {
		return 0
	}
	return max(0, offset-p.next.Offset)
}

// partitions are those that this member owns, with the clock for the commit delay. The clock stands still while the
// pipelines do: nothing is decided then either.
type partitions struct {
	delay   time.Duration
	watched *flow.Flow

	mu           sync.Mutex
	owned        map[int32]*partition
	moved        time.Duration
	ticked       time.Time
	starts, ends map[int32]int64 // as Kafka last said
}

func newPartitions(delay time.Duration, watched *flow.Flow) *partitions {
	return &partitions{delay: delay, watched: watched, owned: map[int32]*partition{}, ticked: time.Now()}
}

func (p *partitions) assigned(numbers []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, number := range numbers {
		p.owned[number] = &partition{next: kgo.EpochOffset{Epoch: -1, Offset: unknown}}
	}
}

// begin notes where partitions are read from.
func (p *partitions) begin(offsets map[int32]kgo.Offset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for number, offset := range offsets {
		if owned := p.owned[number]; owned != nil && offset.EpochOffset().Offset >= 0 {
			owned.next = offset.EpochOffset()
		}
	}
}

func (p *partitions) lost(numbers []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, number := range numbers {
		delete(p.owned, number)
	}
}

func (p *partitions) get(number int32) *partition {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owned[number]
}

// handedOn notes how far `owned` was handed on, unless it was lost meanwhile.
func (p *partitions) handedOn(number int32, owned *partition, next kgo.EpochOffset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if owned != nil && p.owned[number] == owned {
		owned.next = next
	}
}

// settle returns the offsets to commit: of what was handed on at least the delay ago. It forgets what is committed.
func (p *partitions) settle(now time.Time, committed map[int32]kgo.EpochOffset) map[int32]kgo.EpochOffset {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.watched.StoodStill(p.ticked) {
		p.moved += now.Sub(p.ticked)
	}
	p.ticked = now
	settled := map[int32]kgo.EpochOffset{}
	for number, owned := range p.owned {
		if done, known := committed[number]; known {
			owned.forget(done.Offset)
		}
		last := len(owned.marks) - 1
		if owned.next.Offset != unknown && (last < 0 || owned.marks[last].next != owned.next) &&
			committed[number].Offset < owned.next.Offset {
			owned.marks = append(owned.marks, mark{p.moved, now, owned.next})
		}
		for _, each := range owned.marks {
			if p.moved-each.moved < p.delay {
				break
			}
			settled[number] = each.next
		}
	}
	return settled
}

func (p *partition) forget(committed int64) {
	done := 0
	for done < len(p.marks) && p.marks[done].next.Offset <= committed {
		done++
	}
	p.marks = p.marks[done:]
}

func (p *partitions) measured(starts, ends map[int32]kadm.ListedOffset) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starts, p.ends = offsets(starts), offsets(ends)
}

func offsets(listed map[int32]kadm.ListedOffset) map[int32]int64 {
	found := map[int32]int64{}
	for number, each := range listed {
		if each.Err == nil {
			found[number] = each.Offset
		}
	}
	return found
}

// state is what metrics tell of a partition.
type state struct {
	lag int64         // records that were not handed on yet
	age time.Duration // since the oldest record that is not committed was handed on
}

// states are those of the partitions that this member owns, and the number of all partitions of the topic.
func (p *partitions) states(now time.Time) (owned map[int32]state, all int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	owned = map[int32]state{}
	for number, each := range p.owned {
		found := state{}
		if end, known := p.ends[number]; known {
			found.lag = max(0, end-max(each.next.Offset, p.starts[number]))
		}
		if len(each.marks) > 0 {
			found.age = now.Sub(each.marks[0].at)
		}
		owned[number] = found
	}
	return owned, len(p.ends)
}
