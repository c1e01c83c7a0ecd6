package web

import (
	"compress/gzip"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed page
var pageFiles embed.FS

// openAssets are what the login form needs.
var openAssets = []string{"style.css", "login.js", "icon.svg"}

// page serves the files of the page. They are compressed when they are first asked for.
type page struct {
	guard *guard
	files func() map[string]*answer // by name, without folder
	login *template.Template
}

func addPage(mux *http.ServeMux, g *guard, list http.HandlerFunc) error {
	login, err := template.ParseFS(pageFiles, "page/login.html")
	if err != nil {
		return fmt.Errorf("read login form: %w", err)
	}
	p := &page{guard: g, files: sync.OnceValue(readFiles), login: login}
	mux.HandleFunc("GET /{$}", g.hosted(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		switch {
		case !strings.Contains(r.Header.Get("Accept"), "text/html"):
			list(w, r)
		case !g.allowed(r):
			p.askToken(w, r.URL.RawQuery, false)
		default:
			p.files()["index.html"].write(w, r)
		}
	}))
	mux.HandleFunc("GET /assets/{name}", g.hosted(p.asset))
	sameSite := http.NewCrossOriginProtection()
	post := func(handle http.HandlerFunc) http.HandlerFunc {
		return g.hosted(func(w http.ResponseWriter, r *http.Request) {
			if err := sameSite.Check(r); err != nil {
				g.count(refusedSite)
				writeText(w, http.StatusForbidden, "a form of another site")
				return
			}
			handle(w, r)
		})
	}
	mux.HandleFunc("POST /login", post(func(w http.ResponseWriter, r *http.Request) { g.login(w, r, p.askToken) }))
	mux.HandleFunc("POST /logout", post(g.logout))
	return nil
}

func readFiles() map[string]*answer {
	files := map[string]*answer{}
	_ = fs.WalkDir(pageFiles, "page", func(name string, d fs.DirEntry, err error) error { // embedded: there is no error
		if err != nil || d.IsDir() {
			return err
		}
		body, err := pageFiles.ReadFile(name)
		if err != nil {
			return err
		}
		a := newAnswer(kindOf(name), body, gzip.BestCompression)
		files[path.Base(name)] = &a
		return nil
	})
	return files
}

// kindOf does not ask the system's tables, which differ.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func (p *page) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	f := p.files()[name]
	open := false
	for _, o := range openAssets {
		open = open || o == name
	}
	switch {
	case f == nil || strings.HasSuffix(name, ".html"):
		writeText(w, http.StatusNotFound, "no such file")
	case !open && !p.guard.allowed(r):
		writeText(w, http.StatusUnauthorized, "want the agent's token (ask for / first)")
	default:
		f.write(w, r)
	}
}

// askToken shows the form; next is the query to go on to.
func (p *page) askToken(w http.ResponseWriter, next string, failed bool) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusUnauthorized)
	_ = p.login.ExecuteTemplate(w, "login.html", struct { // who asked may be gone
		Next   string
		Failed bool
	}{next, failed})
}
