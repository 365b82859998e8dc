package fulldisk

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// disk is the file system that the queues are on, and the file on it that reserves room.
type disk struct {
	directory string
	size      int64 // of the reserve

	mu sync.Mutex
}

func (d *disk) path() string { return filepath.Join(d.directory, "reserve") }

// free is how many bytes can be written.
func (d *disk) free() int64 {
	var found syscall.Statfs_t
	if err := syscall.Statfs(d.directory, &found); err != nil {
		return 0
	}
	return int64(found.Bavail) * int64(found.Bsize)
}

// reserve makes the file if it is missing and there is room for it and as much again, and reports whether it is there.
func (d *disk) reserve() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if found, err := os.Stat(d.path()); err == nil && found.Size() == d.size {
		return true
	}
	if d.free() < 2*d.size {
		return false
	}
	// Written, because a file that only has a length has no room.
	if err := os.WriteFile(d.path(), make([]byte, d.size), 0o600); err != nil {
		_ = os.Remove(d.path())
		return false
	}
	return true
}

// release gives the reserve to whoever writes next.
func (d *disk) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	_ = os.Remove(d.path())
}

// allocated is how many bytes of the disk a file has.
func allocated(file string) int64 {
	var found syscall.Stat_t
	if err := syscall.Stat(file, &found); err != nil {
		return 0
	}
	return int64(found.Blocks) * 512
}
