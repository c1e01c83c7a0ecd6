package main

import (
	"fmt"
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
	host, ports, ok := splitAddress(text)
	if !ok {
		return liveInput{filter: text}
	}
	in := liveInput{filter: "tcp"}
	if len(ports) > 0 {
		in.filter = "tcp and (port " + strings.Join(ports, " or port ") + ")"
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

// liveSelection joins all live inputs: which interfaces, and one expression for
// the kernel. --bpf-filter narrows every one of them.
func liveSelection(cfg *Config) (interfaces []string, expr string, err error) {
	var inputs []liveInput
	for _, text := range cfg.InputRaw {
		inputs = append(inputs, parseInputRaw(text, deviceExists))
	}
	devices := map[string]bool{}
	for _, in := range inputs {
		devices[in.device] = true
	}
	interfaces = cfg.Interface
	if len(devices) == 1 && !devices[""] {
		interfaces = []string{inputs[0].device}
	}
	var parts []string
	for _, in := range inputs {
		part := in.filter
		if len(devices) > 1 && in.device != "" {
			// Several inputs share the programs: each keeps to its interface.
			if part, err = onDevice(in); err != nil {
				return nil, "", err
			}
			if !slices.Contains(interfaces, "any") {
				interfaces = append(slices.Clone(interfaces), in.device)
			}
		}
		parts = append(parts, part)
	}
	expr = cfg.BPFFilter
	switch {
	case len(parts) == 1 && expr == "":
		expr = parts[0]
	case len(parts) > 0:
		joined := "(" + strings.Join(parts, ") or (") + ")"
		if expr != "" {
			joined = "(" + expr + ") and (" + joined + ")"
		}
		expr = joined
	}
	return interfaces, expr, nil
}

func onDevice(in liveInput) (string, error) {
	dev, err := net.InterfaceByName(in.device)
	if err != nil {
		return "", usagef("--input-raw: find interface %q: %w", in.device, err)
	}
	return fmt.Sprintf("ifindex %d and (%s)", dev.Index, in.filter), nil
}

// deviceExists tells an interface's name from a word of a filter expression.
func deviceExists(name string) bool {
	if len(name) >= unix.IFNAMSIZ {
		return false
	}
	_, err := net.InterfaceByName(name)
	return err == nil
}
