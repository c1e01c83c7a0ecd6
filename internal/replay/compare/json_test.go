package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"math/big"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func TestParserAgreesWithTheStandardLibrary(t *testing.T) {
	for _, text := range []string{
		"", " ", "{}", "[]", `""`, "0", "-0", "01", "-", "1.", ".5", "1e", "1e+", "1E+5", "tru", "true", "nul", "null x", "[1,]", "[,1]", "[1 2]",
		`{"a"}`, `{"a":}`, `{"a":1,}`, `{a:1}`, `{"a":1 "b":2}`, `"\x"`, `"\u12"`, `"\u12G4"`, "\"\n\"", `"a`, `"\`, `{"a":[{"b":null}]}`, "[[]", "]", "\ufeff{}",
		" [ 1 , { \"a\" : true } ] ",
	} {
		var d document
		if got := d.parse([]byte(text)); got != json.Valid([]byte(text)) {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// decoded is what a text means to the standard library, with exact numbers.
func decoded(t *testing.T, text []byte) any {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return canonical(v)
}

func canonical(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = canonical(x[k])
		}
	case []any:
		for i := range x {
			x[i] = canonical(x[i])
		}
	case json.Number:
		r, _ := new(big.Rat).SetString(string(x))
		return "number " + r.RatString()
	}
	return v
}

func FuzzJSONDiff(f *testing.F) {
	for _, s := range [][2]string{
		{`{"a":1,"b":[1,2]}`, `{"b":[1,2],"a":1.0}`}, {`[1e5]`, `[100000]`}, {`{"a":{"a":{}}}`, `{"a":{"a":[]}}`}, {`"\ud800"`, `"\udfff"`},
		{`{"a":1,"a":2}`, `{"a":2,"a":1}`}, {`[]`, `{}`}, {`{"\u0061":1}`, `{"a":1}`},
	} {
		f.Add([]byte(s[0]), []byte(s[1]))
	}
	rules, err := newRules(&Config{IgnoreJSON: []string{"$.ignored[*]"}})
	if err != nil {
		f.Fatal(err)
	}
	seed := maphash.MakeSeed()
	longExponent := regexp.MustCompile(`[eE][+-]?[0-9]{4}`)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		count := func(a, b []byte) int {
			d := differ{rules: rules, seed: seed}
			if !d.docA.parse(a) || !d.docB.parse(b) {
				return -1
			}
			d.json(0, 0)
			return len(d.found)
		}
		var doc document
		if got, want := doc.parse(a), json.Valid(a); got != want && !want {
			t.Fatalf("%q was taken", a)
		} else if got != want && bytes.Count(a, []byte("["))+bytes.Count(a, []byte("{")) <= maxDepth {
			t.Fatalf("%q was refused", a)
		}
		n := count(a, b)
		if n < 0 {
			return
		}
		if m := count(b, a); n != m {
			t.Errorf("%d places one way, %d the other", n, m)
		}
		if count(a, bytes.Clone(a)) != 0 {
			t.Errorf("%q differs from itself", a)
		}
		if longExponent.Match(a) || longExponent.Match(b) {
			return // more than big.Rat can hold
		}
		if n == 0 && !bytes.Contains(a, []byte("ignored")) && !bytes.Contains(a, []byte(`\`)) && !reflect.DeepEqual(decoded(t, a), decoded(t, b)) {
			t.Errorf("%q and %q do not differ", a, b)
		}
	})
}

// randomJSON makes a value and two spellings of it.
func randomJSON(r *rand.Rand, depth int) (a, b string) {
	kind := r.IntN(7)
	if depth == 0 {
		kind = r.IntN(5)
	}
	switch kind {
	case 0:
		n := r.IntN(1000)
		return fmt.Sprintf("%d", n), fmt.Sprintf("%d.%0*d", n, 1+r.IntN(3), 0)
	case 1:
		n := r.IntN(1000)
		return fmt.Sprintf("%de2", n), fmt.Sprintf("%d00E0", n)
	case 2:
		return `"é\t/"`, `"\u00E9\u0009\/"`
	case 3:
		return "null", " null"
	case 4:
		return "true", "true\n"
	case 5:
		var as, bs []string
		for range r.IntN(5) {
			x, y := randomJSON(r, depth-1)
			as, bs = append(as, x), append(bs, y)
		}
		return "[" + strings.Join(as, ",") + "]", "[ " + strings.Join(bs, " ,\t") + "]"
	}
	var as, bs []string
	for n := range r.IntN(6) {
		x, y := randomJSON(r, depth-1)
		as, bs = append(as, fmt.Sprintf(`"k%d":%s`, n, x)), append(bs, fmt.Sprintf(`"\u006b%d" : %s`, n, y))
	}
	r.Shuffle(len(bs), func(i, j int) { bs[i], bs[j] = bs[j], bs[i] })
	return "{" + strings.Join(as, ",") + "}", "{" + strings.Join(bs, ",") + "}"
}

func TestSpellingsOfTheSameJSONDoNotDiffer(t *testing.T) {
	w := newTestWorker(t, Config{})
	random := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		a, b := randomJSON(random, 5)
		if got := w.places(t, "GET", []byte(answer(a, jsonType)), []byte(answer(b, jsonType))); len(got) > 0 {
			t.Fatalf("%s and %s differ in %v", a, b, got)
		}
	}
}

func TestJSONPathsMatchWhatTheyName(t *testing.T) {
	key := func(k string) step { return step{key: []byte(k)} }
	element := func(n int) step { return step{index: n, element: true} }
	for _, c := range []struct {
		pattern string
		place   []step
		want    bool
	}{
		{"$", nil, true},
		{"$", []step{key("a")}, true},
		{"$.a", nil, false},
		{"$.a", []step{key("a")}, true},
		{"$.a", []step{key("a"), element(3), key("b")}, true},
		{"$.a", []step{key("b"), key("a")}, false},
		{"$.a.b", []step{key("a")}, false},
		{"$['a.b'].c", []step{key("a.b"), key("c")}, true},
		{"$.*.c", []step{key("x"), key("c")}, true},
		{"$.*.c", []step{element(1), key("c")}, true},
		{"$[*]", []step{element(7)}, true},
		{"$[*]", []step{key("a")}, false},
		{"$[1]", []step{element(1)}, true},
		{"$[1]", []step{element(2)}, false},
		{"$..x", []step{key("a"), element(2), key("x")}, true},
		{"$..x", []step{key("x")}, true},
		{"$..x", []step{key("a")}, false},
		{"$..x.y", []step{key("x"), key("x"), key("y")}, true},
		{"$..[0]", []step{key("a"), element(0)}, true},
	} {
		p, err := parseJSONPath(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.matches(c.place); got != c.want {
			t.Errorf("%s at %s: %v", c.pattern, appendPath(nil, c.place), got)
		}
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	for _, text := range []string{"", "a.b", "$.", "$a", "$[", "$[]", "$[x]", "$['a'", "$[-1]", "$...a", "$..", "$.a.", "$[99999999999999999999]"} {
		if c, err := New(Config{IgnoreJSON: []string{text}}); err == nil {
			c.Close(t.Context())
			t.Errorf("path %q was taken", text)
		}
	}
	for _, c := range []Config{
		{IgnoreHeaders: []string{"a[b"}}, {IgnoreHeaders: []string{""}}, {Threshold: 1.5}, {Threshold: -1}, {Baselines: 3},
		{Latency: LatencyConfig{MinShift: -1}}, {Latency: LatencyConfig{MinRelative: -1}}, {PathPatterns: []string{"x"}},
	} {
		if x, err := New(c); err == nil {
			x.Close(t.Context())
			t.Errorf("%+v was taken", c)
		}
	}
}
