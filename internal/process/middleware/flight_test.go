package middleware

import (
	"testing"

	"gortap/internal/record"
)

func TestTimeBeginsWhenTheLineIsRead(t *testing.T) {
	f := newFlight(2)
	r := &record.Record{Kind: record.Request, ID: "a", Conn: 1}
	f.expect(1)
	e := f.add(r)
	e.end = 100
	f.wrote(e)
	for range 10 {
		if over := f.tick(99); len(over) > 0 {
			t.Fatal("gave up on what is still in the pipe")
		}
	}
	for i, want := range []int{0, 0, 1} {
		if over := f.tick(100); len(over) != want {
			t.Fatalf("%d over at tick %d after it was read", len(over), i)
		}
	}
	if f.answered() {
		t.Fatal("took a silence for an answer")
	}
	if got, late := f.find(key{record.Request, "a"}); got != e || !late || !f.answered() {
		t.Fatalf("late answer: %v, %v", got, late)
	}
	if got, _ := f.find(key{record.Request, "a"}); got != nil {
		t.Fatal("answered twice")
	}
}

func TestMessagesOnTheirWayAreBounded(t *testing.T) {
	f := newFlight(1000)
	for i := range maxFlight + maxLate + 10 {
		f.expect(1)
		e := f.add(&record.Record{Kind: record.Request, ID: id(1, i), Conn: 1})
		f.wrote(e)
	}
	if over := f.tick(-1); len(over) != maxLate+10 {
		t.Errorf("%d given up", len(over))
	}
	if len(f.sent) != maxFlight || len(f.late) != maxLate || len(f.entries) != maxFlight+maxLate || f.owed != maxLate {
		t.Errorf("%d sent, %d late, %d known, %d owed", len(f.sent), len(f.late), len(f.entries), f.owed)
	}
	if lost := f.land(); len(lost) != maxFlight || len(f.entries) != 0 || !f.answered() {
		t.Errorf("%d lost, %d still known", len(lost), len(f.entries))
	}
}

func TestReleaseStopsWhereAMessageComesInBetween(t *testing.T) {
	f := newFlight(1)
	f.expect(1)
	e := f.add(&record.Record{Kind: record.Request, ID: "a", Conn: 1})
	f.hold(&record.Record{Kind: record.Stream, ID: "before", Conn: 1}, 100)
	f.close(e)
	var got []string
	put := func(r *record.Record) {
		got = append(got, r.ID)
		if r.ID == "before" { // another request, and what follows it
			f.expect(1)
			e = f.add(&record.Record{Kind: record.Request, ID: "b", Conn: 1})
			f.hold(&record.Record{Kind: record.Stream, ID: "behind", Conn: 1}, 100)
		}
	}
	f.release(1, put)
	if len(got) != 1 || got[0] != "before" {
		t.Fatalf("released %v", got)
	}
	f.close(e)
	f.release(1, put)
	if len(got) != 2 || len(f.conns) != 0 {
		t.Fatalf("released %v, %d connections left", got, len(f.conns))
	}
}
