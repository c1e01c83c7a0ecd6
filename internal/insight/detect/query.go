package detect

import "strings"

// param is what a query parameter means to somebody who pages.
type param uint8

const (
	otherParam param = iota
	positionParam
	limitParam
)

// paramOf knows the usual names, without regard to case, "_", "-", "$" and brackets.
func paramOf(name string) param {
	if len(name) > 24 {
		return otherParam
	}
	var plain [24]byte
	n := 0
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'A' && c <= 'Z':
			c += 'a' - 'A'
		case c == '_' || c == '-' || c == '$' || c == '[' || c == ']' || c == '.':
			continue
		}
		plain[n] = c
		n++
	}
	switch string(plain[:n]) {
	case "page", "p", "pageno", "pagenumber", "pagenum", "pageindex", "offset", "skip", "start", "startindex", "cursor", "after",
		"before", "pagetoken", "nexttoken", "continuationtoken", "continue", "marker", "startafter", "from", "pageafter", "pageoffset":
		return positionParam
	case "limit", "perpage", "pagesize", "size", "count", "top", "maxresults", "maxitems", "maxkeys", "first", "last", "rows", "n", "num", "take", "pagelimit":
		return limitParam
	}
	return otherParam
}

// pageQuery is what a query says of a page.
type pageQuery struct {
	name, value string // of the position; empty where there is none
	limited     bool   // there is a limit
	start, end  int    // of the position's value in the query
}

func readPage(query string) (q pageQuery) {
	for at := 0; at < len(query); {
		end := strings.IndexByte(query[at:], '&')
		if end < 0 {
			end = len(query)
		} else {
			end += at
		}
		equals := strings.IndexByte(query[at:end], '=')
		if equals < 0 {
			at = end + 1
			continue
		}
		switch name := query[at : at+equals]; paramOf(name) {
		case positionParam:
			if q.name == "" {
				q.name, q.value, q.start, q.end = name, query[at+equals+1:end], at+equals+1, end
			}
		case limitParam:
			q.limited = true
		}
		at = end + 1
	}
	return q
}
