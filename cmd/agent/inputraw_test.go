package main

import (
	"slices"
	"testing"
)

func TestInputRawAddresses(t *testing.T) {
	device := func(name string) bool { return name == "eth0" || name == "lo" }
	for _, c := range []struct{ text, device, filter string }{
		{":80", "", "tcp and (port 80)"},
		{":80,8080", "", "tcp and (port 80 or port 8080)"},
		{"eth0:80,8080", "eth0", "tcp and (port 80 or port 8080)"},
		{"lo", "lo", "tcp"},
		{"eth0:", "eth0", "tcp"},
		{"10.0.0.1:80", "", "tcp and (port 80) and host 10.0.0.1"},
		{"10.0.0.1", "", "tcp and host 10.0.0.1"},
		{"0.0.0.0:80", "", "tcp and (port 80)"},
		{"[::1]:80", "", "tcp and (port 80) and host ::1"},
		{"::1", "", "tcp and host ::1"},
		{"tcp port 80", "", "tcp port 80"},
		{"tcp", "", "tcp"},
		{"host 10.0.0.1 and (port 80)", "", "host 10.0.0.1 and (port 80)"},
		{"eth7:80", "", "eth7:80"}, // no such device: liveSelection says so
	} {
		got := parseInputRaw(c.text, device)
		if want := (liveInput{device: c.device, filter: c.filter}); got != want {
			t.Errorf("%q: got %+v, want %+v", c.text, got, want)
		}
	}
}

func TestSeveralLiveInputsJoin(t *testing.T) {
	any := []string{"any"}
	for _, c := range []struct {
		name       string
		cfg        Config
		interfaces []string
		expr       string
		wrong      bool
	}{
		{"filter alone", Config{BPFFilter: "tcp port 80", Interface: any}, any, "tcp port 80", false},
		{"one input", Config{InputRaw: []string{":80"}, Interface: any}, any, "tcp and (port 80)", false},
		{"one device", Config{InputRaw: []string{"lo:80"}, Interface: any}, []string{"lo"}, "tcp and (port 80)", false},
		{"two inputs", Config{InputRaw: []string{":80", ":81"}, Interface: any}, any, "(tcp and (port 80)) or (tcp and (port 81))", false},
		{"two inputs on a device", Config{InputRaw: []string{"lo:80", "lo:81"}, Interface: any}, []string{"lo"}, "(tcp and (port 80)) or (tcp and (port 81))", false},
		{"filter narrows", Config{InputRaw: []string{":80"}, BPFFilter: "host 10.0.0.1", Interface: any}, any, "(host 10.0.0.1) and (tcp and (port 80))", false},
		{"no such device", Config{InputRaw: []string{"eth7:80"}, Interface: any}, nil, "", true},
		{"no such port", Config{InputRaw: []string{":http"}, Interface: any}, nil, "", true},
		{"not an address", Config{InputRaw: []string{"tcp[13]:1=2"}, Interface: any}, any, "tcp[13]:1=2", false},
		{"device and any", Config{InputRaw: []string{"lo:80", ":81"}, Interface: any}, nil, "", true},
		{"device and --interface", Config{InputRaw: []string{"lo:80"}, Interface: []string{"eth0"}}, nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			interfaces, expr, err := liveSelection(&c.cfg)
			if (err != nil) != c.wrong {
				t.Fatalf("error %v", err)
			}
			if !slices.Equal(interfaces, c.interfaces) || expr != c.expr {
				t.Errorf("got %v %q, want %v %q", interfaces, expr, c.interfaces, c.expr)
			}
		})
	}
}
