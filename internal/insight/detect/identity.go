package detect

// evidence is by what two answers are held to be the same, the weakest first.
type evidence uint8

const (
	bySize evidence = iota
	byPart
	byValidator
	byHash
)

// String is how findings tell of it.
func (e evidence) String() string {
	return [...]string{
		"their sizes only (bodies were not copied: weak evidence)",
		"their beginnings and sizes (whole bodies were not copied)",
		"ETag or Last-Modified and size (whole bodies were not copied)",
		"a hash of the whole body",
	}[e]
}

// minPart is how much of a body tells it from another.
const minPart = 256

// identity returns what tells an answer from another, by the best that is known.
func identity(x *exchange) (uint64, evidence) {
	switch {
	case x.HasResponseHash:
		return mix(x.ResponseHash), byHash
	case x.Head.ETag != "":
		return combine(fnv(x.Head.ETag), uint64(x.ResponseSize)), byValidator
	case x.Head.LastModified != "":
		return combine(fnv(x.Head.LastModified), uint64(x.ResponseSize)), byValidator
	case x.ResponsePart >= minPart:
		return combine(x.ResponseHash, uint64(x.ResponseSize)), byPart
	}
	return uint64(x.ResponseSize), bySize
}

// fnv is FNV-1a: the values are short, and nobody gains by a collision.
func fnv[S string | []byte](s S) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}
