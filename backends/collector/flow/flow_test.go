package flow

import (
	"testing"
	"time"
)

func TestACallThatLastsStandsStill(t *testing.T) {
	watched := New()
	before := time.Now().Add(-time.Second)
	call, other := watched.enter(), watched.enter()
	after := time.Now().Add(time.Second)
	if watched.StoodStill(before) {
		t.Fatal("a call that began later stood still")
	}
	if !watched.StoodStill(after) {
		t.Fatal("a call that is still under way moved")
	}
	watched.leave(call)
	if !watched.StoodStill(after) {
		t.Fatal("the other call is still under way")
	}
	watched.leave(other)
	if watched.StoodStill(after) {
		t.Fatal("no call is under way")
	}
}
