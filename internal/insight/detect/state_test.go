package detect

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"gortap/internal/insight"
)

func knowing() *Set {
	s := New(Config{Warmup: 5 * second})
	paced(s, 0, 130*second, func(s int) int { return 20 + s%3 }, func(i int, when time.Duration) insight.Observation {
		return unique(get(fmt.Sprintf("/p%d", i%5), when, int64(1000+i%700)), i)
	})
	return s
}

func TestStateComesBackAsItWas(t *testing.T) {
	state := knowing().State()
	if len(state) > 20000 {
		t.Errorf("%d bytes for five endpoints", len(state))
	}
	s := New(Config{})
	if err := s.Restore(state); err != nil {
		t.Fatal(err)
	}
	// Nothing was observed: what was known is passed on.
	if again := s.State(); !bytes.Equal(again, state) {
		t.Errorf("state became\n%s\nwas\n%s", again, state)
	}
}

func TestADamagedStateIsRefusedAsAWhole(t *testing.T) {
	state := knowing().State()
	head := bytes.IndexByte(state, '\n') + 1
	signed := func(text string) []byte {
		return append(fmt.Appendf(nil, "%s%d %08x\n", stateMagic, stateVersion, crc32.ChecksumIEEE([]byte(text))), text...)
	}
	flipped := bytes.Clone(state)
	flipped[head+100] ^= 1
	for name, damaged := range map[string][]byte{
		"empty": nil, "cut": state[:len(state)/2], "head only": state[:head], "flipped": flipped, "other version": bytes.Replace(state, []byte(" 1 "), []byte(" 2 "), 1),
		"other file": []byte("#!/bin/sh\n"), "negative": signed(`[{"rate_median":-1}]`), "bin": signed(`[{"sizes":{"100":1}}]`),
		"levels": signed(`[{"levels":[{},{},{},{},{},{}]}]`), "minutes": signed(`[{"levels":[{"minutes":[1]}]}]`), "not a list": signed(`{}`),
	} {
		s := New(Config{})
		if err := s.Restore(damaged); !errors.Is(err, errState) {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
		if s.history.restored != nil {
			t.Errorf("%s: something was taken", name)
		}
	}
}

func FuzzRestore(f *testing.F) {
	f.Add(knowing().State(), true)
	f.Add([]byte(`[{"service":"a","path":"/x","sizes":{"3":5},"levels":[{"level":1e9}]}]`), false)
	f.Fuzz(func(t *testing.T, state []byte, whole bool) {
		if !whole {
			state = append(fmt.Appendf(nil, "%s%d %08x\n", stateMagic, stateVersion, crc32.ChecksumIEEE(state)), state...)
		}
		s := New(Config{Warmup: 2 * second})
		if s.Restore(state) != nil {
			return
		}
		// What was taken must not upset anything.
		for key := range s.history.restored {
			o := get(key.path, 0, 3000)
			o.Service, o.Method = key.service, key.method
			for i := range 20 {
				o.EndNs = at(time.Duration(i) * second)
				s.Observe(&o)
			}
		}
		s.Findings()
		s.Events()
		if err := New(Config{}).Restore(s.State()); err != nil {
			t.Fatalf("its own state: %v", err)
		}
	})
}
