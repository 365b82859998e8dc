package delayedcommit

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"otel-llm/backends/collector/flow"
)

const delay = 10 * time.Second

// clock ticks as the receiver does, and commits what is settled.
type clock struct {
	partitions *partitions
	now        time.Time
	committed  map[int32]kgo.EpochOffset
}

func started(offset int64) *clock {
	begun := newPartitions(delay, flow.New())
	begun.assigned([]int32{0})
	begun.begin(map[int32]kgo.Offset{0: kgo.NewOffset().At(offset)})
	return &clock{begun, begun.ticked, map[int32]kgo.EpochOffset{}}
}

func (c *clock) tick(times int) {
	for range times {
		c.now = c.now.Add(time.Second)
		for number, offset := range c.partitions.settle(c.now, c.committed) {
			c.committed[number] = offset
		}
	}
}

func (c *clock) handOn(next int64) {
	c.partitions.handedOn(0, c.partitions.get(0), kgo.EpochOffset{Epoch: 1, Offset: next})
}

func (c *clock) age() time.Duration {
	states, _ := c.partitions.states(c.now)
	return states[0].age
}

func TestTheLastRecordIsCommittedAfterTheDelay(t *testing.T) {
	c := started(5)
	c.handOn(7)
	c.tick(1)
	c.handOn(8)
	c.tick(9)
	if len(c.committed) > 0 {
		t.Fatalf("committed too early: %v", c.committed)
	}
	c.tick(1)
	if c.committed[0].Offset != 7 {
		t.Fatalf("committed %v, not what is old enough", c.committed)
	}
	c.tick(1)
	if c.committed[0].Offset != 8 {
		t.Fatalf("committed %v, not the last", c.committed)
	}
	c.tick(1)
	if c.age() != 0 {
		t.Fatalf("all is committed, but the age is %v", c.age())
	}
}

func TestWhatIsNotCommittedHasTheAgeOfTheOldest(t *testing.T) {
	c := started(0)
	c.handOn(3)
	c.tick(1)
	c.handOn(4)
	c.tick(5)
	if c.age() != 5*time.Second {
		t.Fatalf("the age is %v", c.age())
	}
}

func TestAQuietPartitionHasNothingToCommit(t *testing.T) {
	c := started(5)
	c.committed[0] = kgo.EpochOffset{Epoch: 1, Offset: 5}
	c.tick(30)
	if c.committed[0].Offset != 5 || c.age() != 0 {
		t.Fatalf("committed %v, age %v", c.committed, c.age())
	}
}

func TestAPartitionThatWasLostIsNotCommitted(t *testing.T) {
	c := started(0)
	owned := c.partitions.get(0)
	c.partitions.lost([]int32{0})
	c.partitions.assigned([]int32{0})
	c.partitions.handedOn(0, owned, kgo.EpochOffset{Epoch: 1, Offset: 9})
	c.tick(30)
	if len(c.committed) > 0 {
		t.Fatalf("committed %v for another owner", c.committed)
	}
}

func TestRecordsThatAreMissingAreCountedFromWhereThePartitionBegan(t *testing.T) {
	c := started(5)
	for offset, expected := range map[int64]int64{5: 0, 9: 4, 2: 0} {
		if found := c.partitions.get(0).missing(offset); found != expected {
			t.Errorf("%d are missing before %d", found, offset)
		}
	}
	c.partitions.assigned([]int32{1})
	if found := c.partitions.get(1).missing(100); found != 0 {
		t.Errorf("%d are missing though nobody knows where it begins", found)
	}
}

func TestLagIsWhatIsNotReadYet(t *testing.T) {
	c := started(5)
	c.partitions.assigned([]int32{1})
	at := func(offset int64) kadm.ListedOffset { return kadm.ListedOffset{Offset: offset} }
	c.partitions.measured(
		map[int32]kadm.ListedOffset{0: at(0), 1: at(100), 2: at(0)},
		map[int32]kadm.ListedOffset{0: at(12), 1: at(130), 2: at(7)},
	)
	states, all := c.partitions.states(c.now)
	if states[0].lag != 7 || states[1].lag != 30 || len(states) != 2 || all != 3 {
		t.Fatalf("%v of %d", states, all)
	}
}
