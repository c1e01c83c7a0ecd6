package session

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"

	"gortap/internal/replay"
	rec "gortap/internal/session"
	"gortap/internal/testutil"
)

// compared plays a dialogue: a greeting, then an answer to each line. The target says
// what is given; the server had said 0hi, then one\n and two2\n.
func compared(t *testing.T, how Compare, says [3]string, end func(c *script)) Line {
	t.Helper()
	srv := startTarget(t, func(c *net.TCPConn) {
		fmt.Fprint(c, says[0])
		in := bufio.NewReader(c)
		for _, answer := range says[1:] {
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
			fmt.Fprint(c, answer)
		}
		_, _ = io.Copy(io.Discard, in)
	})
	cfg := config(srv.addr())
	cfg.Compare, cfg.Stall = how, time.Minute
	for i, said := range []string{"0hi", "one\n", "two2\n"} {
		if len(says[i]) < len(said) {
			cfg.Stall = 50 * time.Millisecond // what is missing is waited for
		}
	}
	s := newStage(t, HubOptions{}, cfg)
	c := s.begin()
	said := "0hi"
	c.served(said, &rec.Event{Kind: rec.Write, Data: []byte("a\n")})
	said += "one\n"
	c.served(said, &rec.Event{Kind: rec.Write, Data: []byte("b\n")})
	c.served(said, &rec.Event{Kind: rec.Write, Data: []byte("c, in the same turn\n")})
	said += "two2\n"
	if end == nil {
		c.served(said, &rec.Event{Kind: rec.Shutdown})
		c.served(said, &rec.Event{Kind: rec.Over, End: rec.Finished})
	} else {
		end(c)
	}
	s.close()
	return s.only()
}

// served puts an event before which the server had said all of a text.
func (c *script) served(said string, e *rec.Event) {
	e.Session, e.TsNs, e.NeedNs = c.session, 1, 1
	e.Need, e.Served, e.Received, e.ServedSum = int64(len(said)), int64(len(said)), int64(len(said)), xxhash.Sum64String(said)
	c.stage.hub.Put(e)
}

func TestAnswersCompareByLengthAndByHash(t *testing.T) {
	testutil.CheckLeaks(t)
	same := [3]string{"0hi", "one\n", "two2\n"}
	for _, c := range []struct {
		name           string
		how            Compare
		says           [3]string
		verdict        string
		turn           int
		received, orig int64
	}{
		{"the same", CompareHashes, same, "equal", 0, 0, 0},
		{"the same by length", CompareLengths, [3]string{"xxx", "yyy\n", "zzzz\n"}, "equal", 0, 0, 0},
		{"other bytes in the last answer", CompareHashes, [3]string{"0hi", "one\n", "two3\n"}, "content", 2, 5, 5},
		{"other bytes in the first answer", CompareHashes, [3]string{"0hi", "ONE\n", "two2\n"}, "content", 1, 4, 4},
		{"another greeting", CompareHashes, [3]string{"0ho", "one\n", "two2\n"}, "content", 0, 3, 3},
		{"a longer answer", CompareHashes, [3]string{"0hi", "one more\n", "two2\n"}, "length", 1, 9, 4},
		{"a longer last answer, by length", CompareLengths, [3]string{"0hi", "one\n", "two2 and more\n"}, "length", 2, 14, 5},
		{"a shorter one and a longer one", CompareLengths, [3]string{"0hi", "on\n", "two22\n"}, "equal", 0, 0, 0},
		{"silence", CompareLengths, [3]string{"0hi", "", ""}, "length", 1, 0, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := compared(t, c.how, c.says, nil)
			got := l.Compared
			if got == nil || got.Verdict != c.verdict {
				t.Fatalf("verdict %+v, want %s: %+v", got, c.verdict, l)
			}
			if (got.Turn != nil) != (c.verdict != equal) || got.Turn != nil && (*got.Turn != c.turn || got.TurnReceived != c.received || got.TurnOriginal != c.orig) {
				t.Errorf("the first turn that differs is %+v, want %d with %d bytes of %d", got, c.turn, c.received, c.orig)
			}
			if said := fmt.Sprintf("%016x", xxhash.Sum64String(c.says[0]+c.says[1]+c.says[2])); c.how == CompareHashes && got.Hash != said {
				t.Errorf("hash %s, want %s", got.Hash, said)
			}
		})
	}
}

func TestWhatIsNoWholeSessionIsNotCompared(t *testing.T) {
	same := [3]string{"0hi", "one\n", "two2\n"}
	for want, end := range map[string]func(c *script){
		"partial": func(c *script) { c.served("0hione\ntwo2\n", &rec.Event{Kind: rec.Over, End: rec.Unfinished}) },
		"aborted": func(c *script) {
			c.served("0hione\ntwo2\n", &rec.Event{Kind: rec.Abort})
			c.served("0hione\ntwo2\n", &rec.Event{Kind: rec.Over, End: rec.Finished})
		},
		"not-captured": func(c *script) {
			c.served("0hione\ntwo2\n", &rec.Event{Kind: rec.Shutdown})
			c.served("0hione\ntwo2\n", &rec.Event{Kind: rec.Over, End: rec.Finished, ServedGap: true})
		},
	} {
		if l := compared(t, CompareHashes, same, end); l.Compared == nil || l.Compared.Verdict != uncompared || l.Compared.Reason != want {
			t.Errorf("want uncompared, %s: %+v %+v", want, l, l.Compared)
		}
	}
}

func TestARampAdmitsMoreAndMoreOfTheSameSessions(t *testing.T) {
	srv := startTarget(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	cfg := config(srv.addr())
	cfg.Live, cfg.Ramp, cfg.Limit.Connections, cfg.Speed = false, 200*time.Millisecond, 2, 100
	s := newStage(t, HubOptions{Timing: &replay.Timing{Speed: 100}}, cfg)
	// The schedule is a hundredth of the recording, so that the ramp takes half of it.
	const n = 400
	for i := range n {
		s.recorded(uint64(i), int64(1+i)*int64(100*time.Millisecond))
	}
	s.close()
	var early, late int
	for _, l := range s.lines {
		if l.Reason != "ramp" {
			continue
		}
		if l.ID < n/4 {
			early++
		} else if l.ID < n/2 {
			late++
		} else {
			t.Errorf("session %d, behind the ramp, was not admitted", l.ID)
		}
	}
	// Of 100 sessions with two copies each a quarter is admitted on average, then
	// three quarters.
	if early < 120 || early > 180 || late < 20 || late > 80 {
		t.Errorf("%d and %d of 200 were not admitted, want about 150 and 50", early, late)
	}
}
