package detect

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
)

// stateVersion is that of the form below. Another one is not read.
const stateVersion = 1

// What is kept, and read, at most.
const (
	maxSaved = 500
	// MaxState is how many bytes of a state are looked at.
	MaxState = 16 << 20
)

// stateMagic begins a state; version and checksum follow on the same line.
const stateMagic = "gortap-insight "

// savedEndpoint is what is remembered of an endpoint: the sizes of its answers, its
// rate and its forecasts.
type savedEndpoint struct {
	Service string          `json:"service"`
	Method  string          `json:"method"`
	Path    string          `json:"path"`
	Sizes   map[int]float64 `json:"sizes,omitempty"` // bin of the histogram: answers
	Sum     float64         `json:"sum,omitempty"`   // of sizes
	Median  float64         `json:"rate_median"`
	Most    float64         `json:"rate_most"`
	Levels  []savedLevel    `json:"levels,omitempty"` // by measure
}

type savedLevel struct {
	Level    float64 `json:"level"`
	Spread   float64 `json:"spread"`
	Steps    int     `json:"steps"`
	Minutes  []int   `json:"minutes,omitempty"` // hundredths
	Quarters []int   `json:"quarters,omitempty"`
}

// State returns what Restore reads, for the next run. It is some hundred kilobytes at
// most: the endpoints with the most bytes are kept.
func (s *Set) State() []byte {
	var kept []*endpoint
	for slot, e := range s.table.slots {
		if s.history.peek(slot) != nil {
			kept = append(kept, e)
		}
	}
	slices.SortFunc(kept, func(a, b *endpoint) int {
		return cmp.Or(cmp.Compare(b.bytes, a.bytes), cmp.Compare(a.service+a.method+a.path, b.service+b.method+b.path))
	})
	var out []savedEndpoint
	for _, e := range kept[:min(maxSaved, len(kept))] {
		out = append(out, s.save(e))
	}
	out = s.addAbsent(out)
	slices.SortFunc(out, func(a, b savedEndpoint) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Method, b.Method), cmp.Compare(a.Path, b.Path))
	})
	text, err := json.Marshal(out)
	if err != nil {
		text = []byte("[]") // no value here can be refused
	}
	head := fmt.Sprintf("%s%d %08x\n", stateMagic, stateVersion, crc32.ChecksumIEEE(text))
	return append([]byte(head), text...)
}

// addAbsent keeps what the former run knew of endpoints that this one has not seen.
func (s *Set) addAbsent(out []savedEndpoint) []savedEndpoint {
	keys := make(map[endpointKey]bool)
	for _, e := range out {
		keys[endpointKey{e.Service, e.Method, e.Path}] = true
	}
	var rest []*savedEndpoint
	for key, e := range s.history.restored {
		if !keys[key] {
			rest = append(rest, e)
		}
	}
	slices.SortFunc(rest, func(a, b *savedEndpoint) int {
		return cmp.Or(cmp.Compare(b.Median, a.Median), cmp.Compare(a.Service+a.Method+a.Path, b.Service+b.Method+b.Path))
	})
	for _, e := range rest {
		if len(out) >= maxSaved {
			break
		}
		out = append(out, *e)
	}
	return out
}

func (s *Set) save(e *endpoint) savedEndpoint {
	saved := savedEndpoint{Service: e.service, Method: e.method, Path: e.path}
	if sizes := s.sizes().peek(e.slot); sizes != nil {
		h := sizes.base
		if h.n < float64(s.cfg.Thresholds.SizeBase) { // a run that was short
			h.fold(&sizes.now, 1)
		}
		saved.Sizes, saved.Sum = make(map[int]float64), math.Round(h.sum)
		for i, n := range h.bins {
			if n >= 0.5 {
				saved.Sizes[i] = math.Round(float64(n))
			}
		}
	}
	series := s.history.peek(e.slot)
	saved.Median, saved.Most, _ = series.rates.usual(min(s.history.warmup, max(1, series.rates.filled)))
	for i := range series.fc.of {
		saved.Levels = append(saved.Levels, series.fc.of[i].save())
	}
	return saved
}

func (s *Set) sizes() *sizeJump {
	for _, d := range s.detectors {
		if sizes, ok := d.(*sizeJump); ok {
			return sizes
		}
	}
	return nil
}

func (m *measure) save() savedLevel {
	if m.first != nil {
		return savedLevel{} // there was not enough to begin with
	}
	l := savedLevel{Level: m.level, Spread: m.spread, Steps: m.steps}
	if m.season != nil {
		l.Minutes, l.Quarters = hundredths(m.season.minutes[:]), hundredths(m.season.quarters[:])
	}
	return l
}

// hundredths are medians; none where all are 0.
func hundredths(of []last3) []int {
	out := make([]int, len(of))
	any := false
	for i := range of {
		out[i] = int(math.Round(100 * of[i].median()))
		any = any || out[i] != 0
	}
	if !any {
		return nil
	}
	return out
}

// errState is what all errors of Restore are.
var errState = errors.New("not a state of this version")

// Restore takes what State returned in an earlier run. Call it before the first
// Observe. Where it fails, the Set is as it was: it begins without baselines.
func (s *Set) Restore(state []byte) error {
	if len(state) > MaxState {
		return fmt.Errorf("restore baselines: %d bytes: %w", len(state), errState)
	}
	head, text, found := bytes.Cut(state, []byte("\n"))
	version, sum, ok := bytes.Cut(bytes.TrimPrefix(head, []byte(stateMagic)), []byte(" "))
	if !found || !ok || !bytes.HasPrefix(head, []byte(stateMagic)) || string(version) != strconv.Itoa(stateVersion) {
		return fmt.Errorf("restore baselines: %w", errState)
	}
	if string(sum) != fmt.Sprintf("%08x", crc32.ChecksumIEEE(text)) {
		return fmt.Errorf("restore baselines: wrong checksum: %w", errState)
	}
	var saved []savedEndpoint
	if err := json.Unmarshal(text, &saved); err != nil {
		return fmt.Errorf("restore baselines: %w: %w", err, errState)
	}
	restored := make(map[endpointKey]*savedEndpoint)
	for i := range saved[:min(maxSaved, len(saved))] {
		e := &saved[i]
		if !e.valid() {
			return fmt.Errorf("restore baselines: values out of range: %w", errState)
		}
		restored[endpointKey{e.Service, e.Method, e.Path}] = e
	}
	s.history.restored = restored
	return nil
}

// valid says whether the values can have come from State.
func (e *savedEndpoint) valid() bool {
	const most = 1e18
	good := func(v float64) bool { return v >= 0 && v < most }
	for i, n := range e.Sizes {
		if i < 0 || i >= sizeBins || !good(n) {
			return false
		}
	}
	for _, l := range e.Levels {
		if !(l.Level > -100 && l.Level < 100) || !good(l.Spread) || l.Steps < 0 ||
			l.Minutes != nil && len(l.Minutes) != 60 || l.Quarters != nil && len(l.Quarters) != 96 {
			return false
		}
		for _, v := range slices.Concat(l.Minutes, l.Quarters) {
			if v < -10000 || v > 10000 {
				return false
			}
		}
	}
	return good(e.Sum) && good(e.Median) && good(e.Most) && len(e.Levels) <= numMeasures
}

func (e *savedEndpoint) histogram() (h sizeHistogram) {
	for i, n := range e.Sizes {
		h.bins[i] = float32(n)
		h.n += n
	}
	h.sum = e.Sum
	return h
}

func (s *rates) restore(e *savedEndpoint) { s.median, s.most = e.Median, e.Most }

func (f *forecast) restore(e *savedEndpoint, warm int) {
	for i, l := range e.Levels {
		if l.Steps == 0 {
			continue
		}
		m := &f.of[i]
		m.level, m.spread, m.steps = l.Level, max(minSpread, l.Spread), max(l.Steps, warm)
		if i == requestsMeasure || i == bytesMeasure {
			m.season = &season{}
			fill(m.season.minutes[:], l.Minutes)
			fill(m.season.quarters[:], l.Quarters)
		}
	}
}

// fill makes each the median that was saved.
func fill(of []last3, hundredths []int) {
	for i, v := range hundredths {
		f := float32(v) / 100
		of[i] = last3{v: [3]float32{f, f, f}, n: 3}
	}
}
