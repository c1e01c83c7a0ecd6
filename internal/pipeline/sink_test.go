package pipeline

import (
	"strings"
	"testing"

	"gortap/internal/proto"
	"gortap/internal/proto/prototest"
)

type testAccount struct {
	Account
	*prototest.Ledger
	log *strings.Builder
}

func (a testAccount) Opened(c *proto.Conn)                                      { a.Ledger.Opened(c) }
func (a testAccount) Closed(*proto.Conn)                                        { a.log.WriteString("account closed\n") }
func (a testAccount) Begin(*proto.Exchange)                                     { a.log.WriteString("account begin\n") }
func (a testAccount) Bytes(*proto.Exchange, proto.Side, int64)                  {}
func (a testAccount) Unattributed(*proto.Conn, proto.Side, int64, proto.Reason) {}
func (a testAccount) Messages(*proto.Exchange, proto.Side, int64, int64)        {}
func (a testAccount) Residual(*proto.Conn, proto.Reason)                        {}
func (a testAccount) Done(*proto.Exchange)                                      { a.log.WriteString("account done\n") }

type plainFeed struct{ log *strings.Builder }

func (f plainFeed) Exchange(*proto.Exchange) { f.log.WriteString("feed done\n") }
func (f plainFeed) Tick(int64)               {}
func (f plainFeed) Close()                   {}

type messageFeed struct{ plainFeed }

func (f messageFeed) Begin(*proto.Exchange) { f.log.WriteString("feed begin\n") }
func (f messageFeed) Payload(_ *proto.Exchange, _ proto.Side, _ proto.Part, b []byte) {
	f.log.WriteString("feed " + string(b) + "\n")
}
func (f messageFeed) Ended(*proto.Exchange, proto.Side) { f.log.WriteString("feed ended\n") }
func (f messageFeed) Closed(*proto.Conn)                { f.log.WriteString("feed closed\n") }

func TestBytesAreHandedOnOnlyWhereAFeedWantsThem(t *testing.T) {
	var log strings.Builder
	if _, observes := newSink(testAccount{log: &log}, []Feed{plainFeed{&log}}).(proto.Observer); observes {
		t.Error("the sink wants bytes that no feed wants")
	}
	o, observes := newSink(testAccount{log: &log}, []Feed{messageFeed{plainFeed{&log}}}).(proto.Observer)
	if !observes {
		t.Fatal("the sink does not want the bytes that a feed wants")
	}
	o.Begin(nil)
	o.Payload(nil, proto.Client, proto.Body, []byte("bytes"))
	o.Ended(nil, proto.Client)
	o.Done(nil)
	o.Closed(nil)
	// The account first, which names the exchange; but what it ends it forgets.
	want := "account begin\nfeed begin\nfeed bytes\nfeed ended\naccount done\nfeed done\nfeed closed\naccount closed\n"
	if log.String() != want {
		t.Errorf("got\n%s, want\n%s", &log, want)
	}
}
