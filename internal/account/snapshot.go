package account

import (
	"cmp"
	"slices"
	"time"

	"gortap/internal/proto"
)

// Snapshot is what the terminal shows: who uses how much, over a time.
type Snapshot struct {
	Over  time.Duration // the time that rates are averages of
	Total Row           // the sum; its names are empty
	Rows  []Row         // by bytes, the most first
}

// Row is an endpoint. With an empty method it is payload that belongs to no
// message; the path is the reason.
type Row struct {
	Service, Method, Path string

	Requests uint64
	Bytes    [2]uint64 // by proto.Side
	// Rates are a second's.
	RequestRate float64
	ByteRate    [2]float64 // by proto.Side
	Share       float64    // of all bytes, 0 to 1
	// P50 and P99 are of the durations of complete exchanges; 0 where none
	// ended. They are off by an eighth at most.
	P50, P99 time.Duration
}

// Live returns the last ten seconds by the capture's clock. It is empty where
// Config.LiveEndpoints is 0.
func (a *Account) Live() Snapshot {
	var sum liveSum
	for _, s := range a.shards {
		s.addLive(&sum)
	}
	return sum.snapshot()
}

// Whole returns everything since the start, averaged over the time given.
func (a *Account) Whole(over time.Duration) Snapshot {
	sum := liveSum{over: over}
	b := a.merge()
	for _, s := range b.sorted() {
		for _, k := range s.sortedKeys() {
			c := s.endpoints[k]
			row := sum.row(s.name, k)
			row.requests = c.requests
			row.bytes = c.bytes
			if c.durations != nil {
				row.durations = c.durations.counts
			}
		}
	}
	return sum.snapshot()
}

// liveSum adds up rows of several shards.
type liveSum struct {
	over  time.Duration
	rows  []*liveRow
	byKey map[liveKey]*liveRow
}

type liveKey struct {
	service string
	endpointKey
}

type liveRow struct {
	key       liveKey
	requests  uint64
	bytes     [2]uint64
	durations [buckets]uint64
}

func (l *liveSum) row(service string, k endpointKey) *liveRow {
	key := liveKey{service, k}
	if l.byKey == nil {
		l.byKey = map[liveKey]*liveRow{}
	}
	row := l.byKey[key]
	if row == nil {
		row = &liveRow{key: key}
		l.byKey[key] = row
		l.rows = append(l.rows, row)
	}
	return row
}

func (r *liveRow) add(w *window, nowNs int64) {
	for i := range w.slots {
		sl := &w.slots[i]
		if !sl.isRecent(nowNs) {
			continue
		}
		r.requests += sl.requests
		r.bytes[proto.Client] += sl.bytes[proto.Client]
		r.bytes[proto.Server] += sl.bytes[proto.Server]
		for b, n := range sl.durations {
			r.durations[b] += uint64(n)
		}
	}
}

// addLive adds the windows of a shard and takes those of idle endpoints back.
func (s *Shard) addLive(sum *liveSum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live.limit == 0 {
		return
	}
	s.live.reclaim(s.nowNs)
	for _, e := range s.live.owners {
		sum.row(e.service.name, e.endpointKey).add(e.live, s.nowNs)
	}
	if !s.live.rest.idle(s.nowNs) {
		sum.row(Other, endpointKey{path: Other}).add(&s.live.rest, s.nowNs)
	}
	// The slot of the running second is a part of one.
	window := (windowSeconds-1)*int64(time.Second) + s.nowNs%int64(time.Second)
	sum.over = max(sum.over, time.Duration(min(window, s.nowNs-s.startNs)))
}

func (l *liveSum) snapshot() Snapshot {
	out := Snapshot{Over: l.over}
	all := liveRow{}
	for _, r := range l.rows {
		out.Rows = append(out.Rows, r.rates(l.over))
		all.requests += r.requests
		for side, n := range r.bytes {
			all.bytes[side] += n
		}
		for b, n := range r.durations {
			all.durations[b] += n
		}
	}
	out.Total = all.rates(l.over)
	total := float64(out.Total.allBytes())
	for i := range out.Rows {
		if total > 0 {
			out.Rows[i].Share = float64(out.Rows[i].allBytes()) / total
			out.Total.Share = 1
		}
	}
	slices.SortStableFunc(out.Rows, func(x, y Row) int {
		return cmp.Or(cmp.Compare(y.allBytes(), x.allBytes()), cmp.Compare(y.Requests, x.Requests),
			cmp.Compare(x.Service, y.Service), cmp.Compare(x.Path, y.Path), cmp.Compare(x.Method, y.Method))
	})
	return out
}

func (r *Row) allBytes() uint64 { return r.Bytes[proto.Client] + r.Bytes[proto.Server] }

func (r *liveRow) rates(over time.Duration) Row {
	row := Row{
		Service: r.key.service, Method: r.key.method, Path: r.key.path,
		Requests: r.requests, Bytes: r.bytes,
		P50: seconds(quantile(&r.durations, 0.50)), P99: seconds(quantile(&r.durations, 0.99)),
	}
	if s := over.Seconds(); s > 0 {
		row.RequestRate = float64(r.requests) / s
		for side, n := range r.bytes {
			row.ByteRate[side] = float64(n) / s
		}
	}
	return row
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
