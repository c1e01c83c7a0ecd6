// Package redact takes the secrets out of HTTP messages and URLs: credentials,
// cookies, keys and tokens in header fields, query parameters, forms and JSON.
// Each value is replaced by a keyed hash, so that equal values stay equal and
// nothing else can be learned; the message stays valid. It finds what has a name
// that it knows. It does not look into HTML, XML, binary bodies, or URLs that are
// encoded inside of other values.
package redact

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"gortap/internal/process/message"
)

// minKey is the shortest key: a shorter one can be guessed, and then the secrets.
const minKey = 16

// maxContent bounds what is decoded of a body. A larger one is replaced.
const maxContent = 64 << 20

// Mark is what each replaced value begins with. Sixteen hexadecimal digits follow.
const Mark = "REDACTED-"

// Config says what is secret.
type Config struct {
	// Key makes the hashes: two runs with the same key give the same ones. Nil
	// is a random one.
	Key []byte
	// Parameters are in place of the default ones; nil means those.
	Parameters []string
	// Fields are names of header fields in addition to the known ones.
	Fields []string
	// JSON are paths of members in addition to those that have the name of a
	// parameter: $.user.password, $.items[*].id, $.list[0], **.token.
	JSON []string
}

// Redactor replaces secrets. One goroutine may use it; Clone makes more of them.
type Redactor struct {
	key     []byte
	params  map[string]bool // by folded name
	members map[string]bool
	fields  map[string]class
	paths   []path

	mac     hash.Hash
	sum     []byte
	name    []byte
	target  []byte
	value   []byte
	way     []Place
	view    message.View
	partial message.View // trailers, and parts of a form
}

// New makes a Redactor. Errors are about what the config says.
func New(cfg Config) (*Redactor, error) {
	if cfg.Key == nil {
		cfg.Key = make([]byte, sha256.Size)
		_, _ = rand.Read(cfg.Key) // it does not fail
	} else if err := checkKey(cfg.Key); err != nil {
		return nil, err
	}
	if cfg.Parameters == nil {
		cfg.Parameters = Parameters()
	}
	r := &Redactor{key: cfg.Key, params: make(map[string]bool), members: make(map[string]bool), fields: fieldClasses()}
	for _, name := range cfg.Parameters {
		r.params[string(fold(nil, []byte(name)))] = true
		if !slices.Contains(plainMembers(), name) {
			r.members[string(fold(nil, []byte(name)))] = true
		}
	}
	for _, name := range cfg.Fields {
		if name == "" || strings.ContainsAny(name, " \t\r\n:") {
			return nil, fmt.Errorf("redact header field %q: no name of a field", name)
		}
		r.fields[strings.ToLower(name)] = secret
	}
	for _, text := range cfg.JSON {
		p, err := parsePath(text)
		if err != nil {
			return nil, fmt.Errorf("redact JSON path %q: %w", text, err)
		}
		r.paths = append(r.paths, p)
	}
	r.mac = hmac.New(sha256.New, r.key)
	return r, nil
}

// Clone returns a Redactor for another goroutine: the same secrets, the same hashes.
// That of nil is nil.
func (r *Redactor) Clone() *Redactor {
	if r == nil {
		return nil
	}
	return &Redactor{
		key: r.key, params: r.params, members: r.members, fields: r.fields, paths: r.paths,
		mac: hmac.New(sha256.New, r.key),
	}
}

// appendHash writes what stands for a value.
func (r *Redactor) appendHash(dst, value []byte) []byte {
	r.mac.Reset()
	r.mac.Write(value)
	r.sum = r.mac.Sum(r.sum[:0])
	return hex.AppendEncode(append(dst, Mark...), r.sum[:8])
}

// fold writes a name in the form in which names are compared: without regard to
// case and to the signs between words, so that accessToken is access_token.
func fold(dst, name []byte) []byte {
	for _, c := range name {
		switch {
		case c == '-' || c == '_':
		case 'A' <= c && c <= 'Z':
			dst = append(dst, c|0x20)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// ErrUnreadable says that data is no HTTP message, so that nobody knows what in
// it is secret.
var ErrUnreadable = errors.New("redact message: it is none of HTTP")

// Message returns a message without its secrets: data where there are none, or
// memory of its own.
func (r *Redactor) Message(data []byte) ([]byte, error) {
	v := &r.view
	if !v.Parse(data) {
		return nil, ErrUnreadable
	}
	if v.IsRequest() {
		if target := v.Target(); len(target) > 0 {
			if t := r.Target(target); string(t) != string(target) {
				v.SetTarget(t)
			}
		}
	}
	r.headers(v)
	if v.Cut(); len(v.Body()) > 0 {
		r.body(v)
	}
	if !v.Changed() {
		return data, nil
	}
	return v.Bytes(), nil
}
