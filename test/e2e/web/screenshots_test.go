package web

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

// screenshots is the folder that `make screenshots` fills.
const screenshots = "GORTAP_SCREENSHOTS"

// maxShot is what a picture in the repository may weigh.
const maxShot = 200_000

// The pictures of the documentation: real traffic in a private network, an export that
// three clients begin to fetch without end among people who browse.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv(screenshots)
	if dir == "" {
		t.Skip("makes pictures for the documentation [run: make screenshots]")
	}
	pair := testutil.Pair(t, 40)
	testutil.Nginx(t, pair.Server, lab.NginxOptions{
		Files: map[string]int{"/index.html": 5200, "/assets/app.js": 64_000, "/assets/style.css": 9000, "/img/hero.webp": 88_000, "/export.json": 900_000},
	})
	startAgent(t, pair.Server, "--interface", lab.Device, "--bpf-filter", "tcp port 80", "--service", "name=shop,port=80")
	traffic(t, pair)
	p := launch(t)
	host := forward(t, pair.Server, agentAddress)
	for _, shot := range []struct {
		name, query, scheme string
		width               int64
	}{
		{"overview-1440-light", "?range=5m", "light", 1440}, {"overview-1440-dark", "?range=5m", "dark", 1440}, {"overview-360-dark", "?range=5m", "dark", 360},
		{"endpoints-1440-light", "?view=endpoints&range=5m", "light", 1440}, {"findings-1440-light", "?view=findings&range=5m", "light", 1440},
		{"exchanges-1440-dark", "?view=exchanges", "dark", 1440}, {"agent-1440-light", "?view=health", "light", 1440},
	} {
		for _, err := range []error{p.Show(shot.width, 900, shot.scheme), p.Go("http://" + host + "/" + shot.query), p.Await(shown)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		raw, err := p.Screenshot(false)
		if err != nil {
			t.Fatal(err)
		}
		small, err := fewColours(raw)
		if err != nil {
			t.Fatal(err)
		}
		if len(small) > maxShot {
			t.Errorf("%s has %d bytes, want at most %d", shot.name, len(small), maxShot)
		}
		if err := os.WriteFile(filepath.Join(dir, shot.name+".png"), small, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// traffic browses for a while, and then exports too.
func traffic(t *testing.T, pair *lab.Pair) {
	get := func(client int, path string) {
		from := lab.ClientIP(client).String()
		if _, err := pair.Client.Run(t.Context(), "curl", "-sf", "--interface", from, "-o", "/dev/null", "http://"+lab.ServerIP().String()+path); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
	}
	browse := []string{"/index.html", "/assets/app.js", "/assets/style.css", "/img/hero.webp", "/api/products?page=1", "/api/cart", "/index.html"}
	var wait sync.WaitGroup
	begun := time.Now()
	for worker := range 4 {
		wait.Go(func() {
			for i := worker; time.Since(begun) < trafficTime; i += 4 {
				get(3+i%37, browse[i%len(browse)])
				if time.Since(begun) > trafficTime/2 && i%2 == 0 {
					get(i%3, "/export.json?page=NaN")
				}
				time.Sleep(40 * time.Millisecond)
			}
		})
	}
	wait.Wait()
}

const trafficTime = 80 * time.Second

// fewColours makes an image of 256 colours, which a page hardly has more of.
func fewColours(raw []byte) ([]byte, error) {
	m, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	counts := map[color.Color]int{}
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			counts[m.At(x, y)]++
		}
	}
	out := image.NewPaletted(b, mostUsed(counts, 256))
	draw.Draw(out, b, m, b.Min, draw.Src)
	var small bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, out)
	return small.Bytes(), err
}

func mostUsed(counts map[color.Color]int, n int) color.Palette {
	var p color.Palette
	for len(p) < n && len(counts) > 0 {
		var best color.Color
		for c, k := range counts {
			if best == nil || k > counts[best] {
				best = c
			}
		}
		p = append(p, best)
		delete(counts, best)
	}
	return p
}
