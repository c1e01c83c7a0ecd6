package detect

import (
	"time"

	"gortap/internal/insight"
)

// maxExamples is how many exchanges a finding shows.
const maxExamples = 3

// examples are a few exchanges of a finding: the first ones, later clearly larger ones.
type examples struct{ of []insight.Exchange }

func (e *examples) add(x *exchange) {
	if len(e.of) < maxExamples {
		e.of = append(e.of, exchangeOf(x.Observation))
		return
	}
	least := &e.of[0]
	for i := range e.of {
		if weight(&e.of[i]) < weight(least) {
			least = &e.of[i]
		}
	}
	// By a quarter: sizes that only grow would be copied each time.
	if x.bytes > weight(least)/4*5 {
		*least = exchangeOf(x.Observation)
	}
}

func weight(e *insight.Exchange) int64 { return e.RequestBytes + e.ResponseBytes }

func exchangeOf(o *insight.Observation) insight.Exchange {
	e := insight.Exchange{
		Time: time.Unix(0, o.StartNs).UTC(), Conn: o.Conn, Protocol: string(o.Protocol),
		Client: o.Client.String(), Server: o.Server.String(),
		Service: o.Service, Method: o.Method, Path: o.Path, Target: o.Target, Status: o.Status,
		RequestBytes: o.RequestBytes, ResponseBytes: o.ResponseBytes,
		DurationNs: int64(o.Duration), Complete: o.Complete,
	}
	if o.HasCode {
		code := o.Code
		e.Code = &code
	}
	return e
}
