package proto

// Env is what a parser is made with. Conn, Sink and Switch stay valid as long
// as the parser does.
type Env struct {
	Conn   *Conn
	Sink   Sink
	Switch Switcher
	// From is the exchange that gave the connection to this protocol (a 101
	// or CONNECT), nil where it began with it. It is valid during New only.
	From *Exchange
	// MidStream says that the first bytes may not be a message's first: the
	// parser has to find a message boundary on each side.
	MidStream bool
}

// Factory makes the parsers of one protocol. It belongs to one goroutine, as
// the parsers do, so that they can share pools without a lock.
type Factory interface {
	New(e Env) Parser
}

// Switcher takes a connection from the parser that reads it.
type Switcher interface {
	// Switch gives the connection to the protocol named to, in lower case as
	// in an Upgrade field ("websocket", "h2c"); a name that nobody knows, and
	// nil after CONNECT, make it a tunnel. x is the exchange that asked for
	// it, and rest are bytes already delivered, by Side, that belong to the
	// new protocol; both are borrowed until the parser's next call.
	//
	// The parser calls it from within Data, ends x and returns. Only then is
	// rest read. It gets one more call, Close, with reason Complete.
	Switch(x *Exchange, to []byte, rest [2][]byte)
}

// Verdict is what some bytes, at a place where a message may begin, are to a
// protocol.
type Verdict uint8

// The verdicts.
const (
	No         Verdict = iota // not this protocol, or not the start of a message
	More                      // so far it could be; more bytes will tell
	FromClient                // a message starts here, and a client sent it
	FromServer                // a message starts here, and a server sent it
)

// Part says what some bytes of a message are.
type Part uint8

// The parts of a message. The first four add up to all of its bytes.
const (
	Head    Part = iota // start line, fields and the empty line
	Interim             // the head of a 1xx response before the final one
	Body                // content
	Framing             // chunk sizes, chunk ends and trailers
	// Stream is what one side of an upgraded connection sends, frames and
	// masks included. The content of the frames comes as Body beside it.
	Stream
)

// Observer is a Sink that wants the messages' bytes too.
type Observer interface {
	Sink
	// Payload hands over bytes of one message of x in order, borrowed until
	// it returns. All of a Head comes in one call, between Begin and the
	// first Body. Missing bytes leave no trace but the message's Incomplete, and
	// those that were skipped not even that: less comes then than was credited.
	Payload(x *Exchange, s Side, part Part, b []byte)
	// Ended tells that the message of s is final, at most once: a request is
	// known to be over long before its exchange is. Where it does not come
	// before Done, Done is the end.
	Ended(x *Exchange, s Side)
}
