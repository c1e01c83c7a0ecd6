package account

import "time"

// The live view covers the last windowSeconds, in slots of a second.
const windowSeconds = 10

// window is the recent past of an endpoint.
type window struct{ slots [windowSeconds]slot }

type slot struct {
	second    int64 // Unix seconds
	requests  uint64
	bytes     [2]uint64
	durations [buckets]uint32
}

// slot returns the slot of a time, emptied where it held an older second.
func (w *window) slot(nowNs int64) *slot {
	second := nowNs / int64(time.Second)
	sl := &w.slots[second%windowSeconds]
	if sl.second != second {
		*sl = slot{second: second}
	}
	return sl
}

// idle tells that nothing happened in the window that ends now.
func (w *window) idle(nowNs int64) bool {
	for i := range w.slots {
		if w.slots[i].isRecent(nowNs) {
			return false
		}
	}
	return true
}

func (sl *slot) isRecent(nowNs int64) bool {
	return sl.second > nowNs/int64(time.Second)-windowSeconds
}

// liveWindows hands out a shard's windows. Endpoints that find none share one.
type liveWindows struct {
	limit   int
	made    int
	spare   []*window
	owners  []*endpoint // who has a window
	rest    window
	lookedS int64 // second of the last look for idle ones
}

// window returns where to count what happens to e now, nil without live view.
func (v *liveWindows) window(e *endpoint, nowNs int64) *window {
	if e.live != nil || v.limit == 0 {
		return e.live
	}
	if second := nowNs / int64(time.Second); len(v.spare) == 0 && v.made == v.limit && second != v.lookedS {
		v.lookedS = second
		v.reclaim(nowNs)
	}
	switch last := len(v.spare) - 1; {
	case last >= 0:
		e.live = v.spare[last] // what it holds is too old to count
		v.spare = v.spare[:last]
	case v.made < v.limit:
		v.made++
		e.live = &window{}
	default:
		return &v.rest
	}
	v.owners = append(v.owners, e)
	return e.live
}

// reclaim takes the windows of idle endpoints back.
func (v *liveWindows) reclaim(nowNs int64) {
	busy := v.owners[:0]
	for _, e := range v.owners {
		if e.live.idle(nowNs) {
			v.spare = append(v.spare, e.live)
			e.live = nil
			continue
		}
		busy = append(busy, e)
	}
	clear(v.owners[len(busy):])
	v.owners = busy
}
