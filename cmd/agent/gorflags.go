package main

import (
	"errors"
	"strings"

	"github.com/spf13/pflag"
)

// gorFlag is a flag of GoReplay that is not ours: what it is here, or why it is
// not.
type gorFlag struct {
	name string
	ours string // the flag that means the same; empty: none does
	// ignored says why it can be left out, refused what to do instead. One of
	// ours, ignored and refused is set.
	ignored, refused string
	value            bool // a value follows
}

// gorFlags is the table of them, so that a command line for gor either works or says
// what has to change.
func gorFlags() []gorFlag {
	const (
		kernel  = "the kernel's programs need no such setting"
		metrics = "--listen shows all counts, and --summary writes them at the end"
		agents  = "records are passed on through files here: --output-file x.gor, or --output-file with a pipe"
		broker  = "write --output-jsonl and let a log shipper send it"
	)
	return []gorFlag{
		{name: "input-raw-bpf-filter", ours: "bpf-filter", value: true},
		{name: "copy-buffer-size", ours: "record-max-message", value: true},
		{name: "input-raw-engine", ignored: kernel + " (for a pcap file give --input-file)", value: true},
		{name: "input-raw-buffer-timeout", ignored: kernel, value: true},
		{name: "input-raw-buffer-size", ignored: "the ring is --ring-size", value: true},
		{name: "input-raw-expire", ignored: "messages have no age here; lost bytes are waited for by --gap-timeout", value: true},
		{name: "input-raw-timestamp-type", ignored: kernel, value: true},
		{name: "input-raw-promisc", ignored: kernel},
		{name: "input-raw-monitor", ignored: kernel},
		{name: "input-raw-override-snaplen", ignored: kernel},
		{name: "input-raw-stats", ignored: metrics},
		{name: "prettify-http", ignored: "bodies are written as they were sent"},
		{name: "stats", ignored: metrics},
		{name: "output-http-stats", ignored: metrics},
		{name: "output-http-stats-ms", ignored: metrics, value: true},
		{name: "output-http-workers-min", ignored: "connections are opened as they are needed", value: true},
		{name: "output-file-buffer", ignored: "files are written in place", value: true},
		{name: "recognize-tcp-sessions", ignored: "connections are always kept apart"},
		{name: "input-raw-protocol", refused: "the protocol is found by the bytes; leave it out (what is not HTTP cannot be replayed over HTTP)", value: true},
		{name: "input-raw-allow-incomplete", refused: "incomplete messages are counted and never replayed"},
		{name: "input-raw-realip-header", refused: "use --http-set-header in the service, or a middleware", value: true},
		{name: "split-output", refused: "every output gets everything; give each its share as in --output-http 'http://a|50%'", value: true},
		{name: "http-pprof", refused: "use --listen ADDR --pprof", value: true},
		{name: "cpuprofile", refused: "use --pprof", value: true},
		{name: "memprofile", refused: "use --pprof", value: true},
		{name: "output-http-elasticsearch", refused: broker, value: true},
		{name: "input-dummy", refused: "use a recording: --input-file x.gor --input-file-loop", value: true},
		{name: "input-tcp", refused: agents, value: true},
		{name: "input-tcp-secure", refused: agents},
		{name: "input-tcp-certificate", refused: agents, value: true},
		{name: "input-tcp-certificate-key", refused: agents, value: true},
		{name: "output-tcp", refused: agents, value: true},
		{name: "output-tcp-secure", refused: agents},
		{name: "output-tcp-skip-verify", refused: agents},
		{name: "output-tcp-sticky", refused: agents},
		{name: "output-tcp-stats", refused: metrics},
		{name: "output-tcp-workers", refused: agents, value: true},
		{name: "output-tcp-response-buffer", refused: agents, value: true},
		{name: "output-binary", refused: "only HTTP is replayed", value: true},
		{name: "output-binary-debug", refused: "only HTTP is replayed"},
		{name: "output-binary-timeout", refused: "only HTTP is replayed", value: true},
		{name: "output-binary-track-response", refused: "only HTTP is replayed"},
		{name: "output-binary-workers", refused: "only HTTP is replayed", value: true},
		{name: "input-kafka-host", refused: broker, value: true},
		{name: "input-kafka-topic", refused: broker, value: true},
		{name: "input-kafka-json-format", refused: broker},
		{name: "output-kafka-host", refused: broker, value: true},
		{name: "output-kafka-topic", refused: broker, value: true},
		{name: "output-kafka-json-format", refused: broker},
		{name: "kafka-tls-ca-cert", refused: broker, value: true},
		{name: "kafka-tls-client-cert", refused: broker, value: true},
		{name: "kafka-tls-client-key", refused: broker, value: true},
	}
}

// fromGor turns a command line for gor into one of ours: it has long flags with one
// dash, numbers behind --verbose, and flags of its own. notes say what was left out.
func fromGor(args []string) (ours, notes []string) {
	table := map[string]gorFlag{}
	for _, f := range gorFlags() {
		table[f.name] = f
	}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(ours, args[i:]...), notes
		}
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			arg = "-" + arg
		}
		name, value, hasValue := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		isFlag := strings.HasPrefix(arg, "--")
		if isFlag && name == "verbose" && !hasValue && i+1 < len(args) && isNumber(args[i+1]) {
			i++
			value, hasValue = args[i], true
		}
		f, known := table[name]
		switch {
		case isFlag && name == "verbose" && isNumber(value):
			arg = "--verbose=" + map[bool]string{true: "true", false: "false"}[strings.Trim(value, "0") != ""]
		case !isFlag || !known || f.refused != "":
		case f.ours != "":
			arg = strings.Replace(arg, f.name, f.ours, 1)
		default:
			if f.value && !hasValue {
				i++
			}
			notes = append(notes, "--"+name+" does nothing here: "+f.ignored)
			continue
		}
		ours = append(ours, arg)
	}
	return ours, notes
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// explainFlag says what to use instead of a flag of gor.
func explainFlag(err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		for _, f := range gorFlags() {
			if f.name == unknown.GetSpecifiedName() && f.refused != "" {
				return usagef("--%s of gor: %s", f.name, f.refused)
			}
		}
	}
	return usagef("%w (see `agent --help`)", err)
}
