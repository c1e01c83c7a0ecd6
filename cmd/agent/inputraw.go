package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// liveInput is what one --input-raw asks for.
type liveInput struct {
	device string // empty: those of --interface
	filter string // pcap-filter expression
}

// parseInputRaw reads ADDR, as in [HOST|DEVICE][:PORT,...], or else takes the text
// as a pcap-filter expression.
func parseInputRaw(text string, isDevice func(string) bool) liveInput {
	transport := "tcp"
	address, udp := strings.CutSuffix(text, "/udp")
	if udp {
		transport = "udp"
	}
	host, ports, ok := splitAddress(address)
	if !ok {
		return liveInput{filter: text}
	}
	in := liveInput{filter: transport}
	if len(ports) > 0 {
		in.filter = transport + " and (port " + strings.Join(ports, " or port ") + ")"
	}
	switch _, err := netip.ParseAddr(host); {
	case host == "" || host == "0.0.0.0" || host == "::":
	case err == nil:
		in.filter += " and host " + host
	case isDevice(host):
		in.device = host
	default:
		return liveInput{filter: text}
	}
	return in
}

// splitAddress splits "host:80,443", "[::1]:80", ":80" or "10.0.0.1".
func splitAddress(text string) (host string, ports []string, ok bool) {
	if strings.ContainsAny(text, " \t()") {
		return "", nil, false
	}
	if a, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return a.String(), nil, true
	}
	host, list, found := strings.Cut(text, ":")
	if strings.HasPrefix(text, "[") {
		end := strings.Index(text, "]")
		if end < 0 || !strings.HasPrefix(text[end+1:], ":") {
			return "", nil, false
		}
		host, list, found = text[1:end], text[end+2:], true
	}
	if !found || list == "" {
		return host, nil, !found || list == ""
	}
	for p := range strings.SplitSeq(list, ",") {
		if strings.Trim(p, "0123456789") != "" || p == "" {
			return "", nil, false
		}
		ports = append(ports, p)
	}
	return host, ports, true
}

// looksLikeAddress reports whether who wrote text meant an address and not an
// expression, in which a colon only stands inside of longer ones.
func looksLikeAddress(text string) bool {
	return strings.Contains(text, ":") && !strings.ContainsAny(text, " \t()[")
}

// liveSelection joins all live inputs: which interfaces, and one expression for
// the kernel. --bpf-filter narrows every one of them. All share the programs, so
// inputs on different interfaces must want the same of them.
func liveSelection(cfg *Config) (interfaces []string, expr string, err error) {
	var devices, parts []string
	for _, text := range cfg.InputRaw {
		in := parseInputRaw(text, deviceExists)
		if in.filter == text && looksLikeAddress(text) {
			return nil, "", usagef("--input-raw %s: neither an address with ports nor an interface that is here (want ':80', 'eth0:80,8080', '10.0.0.1:80' or a pcap-filter expression)", text)
		}
		if !slices.Contains(devices, in.device) {
			devices = append(devices, in.device)
		}
		if !slices.Contains(parts, in.filter) {
			parts = append(parts, in.filter)
		}
	}
	interfaces = cfg.Interface
	if len(devices) > 0 && (len(devices) > 1 || devices[0] != "") {
		if !slices.Equal(cfg.Interface, []string{"any"}) {
			return nil, "", usagef("--input-raw names an interface and --interface too (leave one out)")
		}
		if len(devices) > 1 && (len(parts) > 1 || slices.Contains(devices, "")) {
			return nil, "", usagef("--input-raw: different filters on different interfaces (run an agent for each)")
		}
		interfaces = devices
	}
	return interfaces, joinFilters(cfg.BPFFilter, parts), nil
}

// joinFilters is "both of narrow and any of parts".
func joinFilters(narrow string, parts []string) string {
	if len(parts) == 0 {
		return narrow
	}
	joined := parts[0]
	if len(parts) > 1 {
		joined = "(" + strings.Join(parts, ") or (") + ")"
	}
	if narrow == "" {
		return joined
	}
	return "(" + narrow + ") and (" + joined + ")"
}

// deviceExists tells an interface's name from a word of a filter expression.
func deviceExists(name string) bool {
	if len(name) >= unix.IFNAMSIZ {
		return false
	}
	_, err := net.InterfaceByName(name)
	return err == nil
}
