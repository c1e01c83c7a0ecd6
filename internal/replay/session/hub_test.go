package session

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"gortap/internal/replay"
	rec "gortap/internal/session"
)

// recorded puts one session of a file that began at ns.
func (s *stage) recorded(id uint64, ns int64) {
	session := &rec.Session{ID: id, Hash: id, OpenedNs: ns, Client: netip.MustParseAddrPort("192.0.2.9:4000"), Server: netip.MustParseAddrPort("192.0.2.1:80")}
	s.hub.Put(&rec.Event{Session: session, Kind: rec.Open, TsNs: ns})
	s.hub.Put(&rec.Event{Session: session, Kind: rec.Write, TsNs: ns, Data: []byte("x")})
	s.hub.Put(&rec.Event{Session: session, Kind: rec.Shutdown, TsNs: ns})
	s.hub.Put(&rec.Event{Session: session, Kind: rec.Over, TsNs: ns})
}

func fileStage(t *testing.T, o HubOptions) *stage {
	srv := startTarget(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) })
	cfg := config(srv.addr())
	cfg.Live = false
	return newStage(t, o, cfg)
}

func TestOfAFileOnlySessionsThatBeganInTheWindowArePlayed(t *testing.T) {
	from, err := replay.ParseInstant("10s")
	if err != nil {
		t.Fatal(err)
	}
	to, err := replay.ParseInstant("20s")
	if err != nil {
		t.Fatal(err)
	}
	s := fileStage(t, HubOptions{Timing: &replay.Timing{Speed: 100}, Window: replay.Window{From: from, To: to}})
	for i := range 30 {
		s.recorded(uint64(i), int64(i)*int64(time.Second))
	}
	s.close()
	if st := s.outputs[0].Stats(); st.Replayed != 10 || s.hub.Outside() != 20 {
		t.Errorf("%d replayed, %d outside of the window, want 10 and 20", st.Replayed, s.hub.Outside())
	}
}

func TestAnInterruptedFileIsReadOnWithoutWaits(t *testing.T) {
	s := fileStage(t, HubOptions{Timing: &replay.Timing{Speed: 1}})
	s.recorded(1, 0)
	s.hub.Interrupt()
	s.recorded(2, int64(time.Hour)) // the test would not end
	done, cancel := canceled(t)
	defer cancel()
	if err := s.hub.Close(done); err != nil {
		t.Error(err)
	}
	s.close()
	if st := s.outputs[0].Stats(); st.Sessions != 2 || st.Skipped["stopped"]+st.Partial["stopped"] == 0 {
		t.Errorf("%+v", st)
	}
}

func TestAFileWaitsForRoomAndThenCuts(t *testing.T) {
	s := fileStage(t, HubOptions{Timing: &replay.Timing{Speed: 1}, Memory: 100, Stall: 10 * time.Millisecond})
	s.recorded(1, 0)
	s.close()
	if st := s.outputs[0].Stats(); st.Sessions != 1 || st.Partial["queue-full"]+st.Skipped["queue-full"] != 1 {
		t.Errorf("%+v", st)
	}
}
