package main

import (
	"time"

	"github.com/spf13/pflag"
)

// flagGroup is one paragraph of --help.
type flagGroup struct {
	title string
	flags *pflag.FlagSet
}

// flagGroups defines every flag with its default. It is the one place for
// defaults; configs/agent.yaml repeats them, and a test compares the two.
func flagGroups() []flagGroup {
	var groups []flagGroup
	group := func(title string) *pflag.FlagSet {
		f := pflag.NewFlagSet(title, pflag.ContinueOnError)
		f.SortFlags = false
		groups = append(groups, flagGroup{title, f})
		return f
	}
	inputFlags(group("Inputs"))
	captureFlags(group("Capture"))
	parserFlags(group("Reassembly and parsing"))
	accountFlags(group("Accounting"))
	outputFlags(group("Outputs"))
	recordingFlags(group("Recordings"))
	recordOutputFlags(group("Outputs of records"))
	targetFlags(group("Replay over HTTP"))
	sessionFlags(group("Replay of TCP connections"))
	httpFlags(group("Filters and modifiers of records"))
	compareFlags(group("Comparison"))
	agentFlags(group("Agent"))
	return groups
}

func inputFlags(f *pflag.FlagSet) {
	f.StringArray("input-raw", nil, "live capture of `ADDR|FILTER`: ':80', 'eth0:80,8080', '10.0.0.1:80', ':53/udp', or a pcap-filter expression; repeats")
	f.String("bpf-filter", "", "pcap-filter(7) `EXPR` that the kernel applies; alone it implies live capture")
	f.StringSlice("interface", []string{"any"}, "`NAMES` or globs to capture on, or any: each that is up, new ones too")
	f.String("hook", "tc", "where the kernel programs run: tc (both directions) or xdp (received packets only)")
	f.String("tc-attach", "auto", "how tc programs attach: tcx (Linux 6.6), clsact, or auto")
	f.StringSlice("input-file", nil, "`FILES` or globs: .pcap, .pcapng, .gor, also .gz or .zst; recognised by content, several merged by time; 'day.gor|200%' replays at twice the speed")
	f.StringArray("input-link", nil, "take the packets of another agent's --output-link, or of tcpdump -w - | nc, on `ADDR`: '10.0.0.9:9465', or ':9465' for this machine alone (not encrypted: see docs/sessions.md); repeats, one agent each")
}

func captureFlags(f *pflag.FlagSet) {
	budget, ring, sample := Size(2048), Size(0), Share(1)
	f.String("depth", "auto", "payload to copy: head (the start of each turn, the rest is counted), all, none (count only), or auto: what the outputs need")
	f.Var(&budget, "turn-budget", "bytes copied from the start of each turn where not all is")
	f.Var(&sample, "sample", "connections to copy from, whole ones, chosen by their addresses; the others are counted, to the byte: 10% or 0.1")
	f.Var(&ring, "ring-size", "memory that the kernel writes records into, per shard, all CPUs together; 0: 8MiB, or 16MiB where all is copied")
	f.Int("shards", 0, "readers of these records, a power of two: a connection stays with one; 0: half the CPUs, at most 8")
	f.Int("max-flows", 0, "connections the kernel keeps count of at once, beyond it packets are dropped and counted; 0: 65536, or what --max-memory allows")
	f.Duration("flow-idle-timeout", 5*time.Minute, "a connection without packets for so long is ended")
}

func parserFlags(f *pflag.FlagSet) {
	total, direction, head := Size(32<<20), Size(1<<20), Size(64<<10)
	f.Duration("gap-timeout", time.Second, "how long missing bytes are waited for before they are lost")
	f.Var(&total, "max-buffered", "bytes held for order, all connections together")
	f.Var(&direction, "max-buffered-per-direction", "bytes held for order in one direction of a connection")
	f.Int("max-connections", 100000, "connections parsed at once; beyond it the least active one is let go")
	f.Var(&head, "http-max-head", "largest HTTP head that is parsed; larger ones are counted only")
}

func accountFlags(f *pflag.FlagSet) {
	f.Var(&serviceRules{}, "service", "service `RULE`: 'name=shop,cidr=10.0.0.0/8,port=80,host=*.shop.example'; repeats, the first that fits wins")
	f.StringSlice("path-pattern", nil, "path `TEMPLATES` tried before the built-in ones: '/users/{id}/posts/{slug}'")
	f.Int("max-paths", 200, "path labels per service; beyond it path=\"(other)\"")
	f.Int("max-services", 1000, "service labels; beyond it service=\"(other)\"")
	memory := Size(32 << 20)
	f.Bool("insight", true, "keep who used how much over the last day, and look for waste in it")
	f.Var(&memory, "insight-memory", "memory of that, at most; the smallest are summed up where it is not enough")
	f.Int("insight-rate", 20000, "exchanges a second that it looks at, the shards' equal parts together; more are left out by chance and counted, in its totals too. 0: all, as of files")
	f.String("insight-state", "", "keep what is usual of each endpoint (rates, sizes, hours of the day) in `FILE`, for the next run; empty: forget it")
	f.Duration("insight-warmup", 0, "how long an endpoint is watched before a change of it is a finding or an event; 0: 1m live, 5s for files")
}

func outputFlags(f *pflag.FlagSet) {
	f.String("output-jsonl", "", "write one JSON line an exchange to `PATH`, or - for stdout")
	f.StringArray("output-file", nil, "record to `PATH`: requests to .gor, with %Y %m %d %H %M %S in its name; packets to .pcapng or .pcap (live: all bytes); also .gz or .zst; repeats")
	f.String("output-link", "", "send packets to the agent with --input-link on `HOST:PORT`, which replays or records them (of servers only the start of each turn, or with --depth all everything)")
	f.Bool("output-null", false, "no output but the metrics")
	f.Bool("redact", true, "replace the values of secret query parameters in what is written")
	f.StringSlice("redact-params", nil, "more query parameter `NAMES` whose values are secret")
	f.String("output-metrics", "", "push the metrics to the Pushgateway at `URL`, http://USER:PASSWORD@HOST:9091, and once more at the end")
	f.Duration("output-metrics-interval", 15*time.Second, "how often")
	f.StringArray("output-metrics-label", nil, "`NAME=VALUE` of the group that they are pushed as; job is gortap and instance the host's name unless given; repeats")
	f.String("output-metrics-password-file", "", "`FILE` with the password of the user in that URL")
	f.String("table", "auto", "live table: auto (on a terminal), always or never")
	f.StringArray("report", nil, "write the incident report at the end, or with --compare the comparison, to `PATH`: .html for people, .json for programs, .txt; repeats")
}

func agentFlags(f *pflag.FlagSet) {
	memory := Size(0)
	limitFlags(f)
	webFlags(f)
	f.Duration("exit-after", 0, "stop after so long; 0: run until a signal, or until the files end")
	f.String("summary", "", "write a JSON summary at the end to `PATH`, or - for stdout")
	f.Var(&memory, "go-memory-limit", "soft limit of the agent's heap; 0: none")
	f.String("log-format", "text", "lines on stderr as text or json, start and summary included")
	f.Bool("verbose", false, "log more, with the verifier's log where it refuses a program")
	f.String("config", "", "read settings from YAML `FILE`; flags and GOR_* environment variables win over it")
}

// webFlags are what is served, and to whom.
func webFlags(f *pflag.FlagSet) {
	f.String("listen", "127.0.0.1:9464", "`ADDR` for the web page, its API, /metrics, /healthz, /readyz; empty for none")
	f.String("web-token-file", "", "`FILE` with the token that page and API ask for, or GOR_WEB_TOKEN; without one they are served on loopback only")
	f.String("web-cert", "", "PEM `FILE` with the certificate for --listen, with --web-key: everything there is HTTPS then")
	f.String("web-key", "", "PEM `FILE` with its key")
	f.Bool("web-insecure", false, "serve page and API without TLS on other addresses than loopback, to be behind a proxy that does TLS")
	f.Bool("pprof", false, "serve /debug/pprof on --listen")
}

// limitFlags are what the agent itself may cost.
func limitFlags(f *pflag.FlagSet) {
	cpu, memory := Cores(0), Size(0)
	f.Var(&cpu, "max-cpu", "CPU time that the agent may use, of one core: 5%, 150%; above it, it copies less. 0: no limit")
	f.Var(&memory, "max-memory", "memory that the agent may use, with its rings and kernel tables, from 24MiB; sizes them, and above it the agent copies less. 0: no limit")
	f.Bool("degrade", true, "copy less where a limit is reached or a ring overflows: shorter turns, then fewer connections; byte counts stay exact")
}
