package intake

import (
	"time"

	"gortap/internal/insight"
	"gortap/internal/proto"
)

// sampler decides whose bodies are kept as samples: the first ones of each endpoint,
// then one a second.
type sampler struct {
	endpoints map[sampleKey]*sampled
	rows      []*sampled // the same, by proto.Exchange.Row
	spare     [][]byte
	made      int
}

type sampleKey struct{ service, method, path string }

type sampled struct {
	taken  int
	lastNs int64

	asked   int   // how often connections were asked for as a whole
	askedNs int64 // when last
}

const (
	firstSamples   = 8
	sampleEvery    = int64(time.Second)
	maxSamples     = 8    // at once
	maxSampledKeys = 4096 // endpoints; beyond it all begin anew
)

func newSampler() sampler { return sampler{endpoints: map[sampleKey]*sampled{}} }

func (s *sampler) of(x *proto.Exchange) *sampled {
	row := int(x.Row)
	if row < len(s.rows) && s.rows[row] != nil {
		return s.rows[row]
	}
	key := sampleKey{x.Service, x.MethodLabel, x.Path}
	e := s.endpoints[key]
	if e == nil {
		if len(s.endpoints) >= maxSampledKeys {
			clear(s.endpoints)
			clear(s.rows)
		}
		e = &sampled{}
		s.endpoints[key] = e
	}
	if row > 0 {
		for row >= len(s.rows) {
			s.rows = append(s.rows, nil)
		}
		s.rows[row] = e
	}
	return e
}

// take returns memory for a sample, nil where none is wanted. A body that is seen
// whole is.
func (s *sampler) take(x *proto.Exchange, whole bool) []byte {
	if len(s.spare) == 0 && s.made >= maxSamples {
		return nil
	}
	if e := s.of(x); !whole {
		if e.taken >= firstSamples && x.Response.FirstNs-e.lastNs < sampleEvery {
			return nil
		}
		e.taken++
		e.lastNs = x.Response.FirstNs
	}
	if n := len(s.spare); n > 0 {
		b := s.spare[n-1]
		s.spare = s.spare[:n-1]
		return b
	}
	s.made++
	return make([]byte, 0, insight.SampleSize)
}

func (s *sampler) giveBack(b []byte) {
	if b != nil {
		s.spare = append(s.spare, b[:0])
	}
}
