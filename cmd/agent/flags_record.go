package main

import (
	"time"

	"github.com/spf13/pflag"
)

// Defaults of recording and replay. Names, and meanings where they are sound, are
// those of gor.

func recordingFlags(f *pflag.FlagSet) {
	message, open, queue := Size(64<<20), Size(256<<20), Size(64<<20)
	f.Bool("input-raw-track-response", false, "record responses too, for files, --output-stdout and --middleware")
	f.Bool("input-file-loop", false, "begin again at the end of the files, for ever; connections of packet files are new ones each time")
	f.Int("input-file-passes", 1, "how often files are read")
	f.Bool("input-file-dry-run", false, "read files and say what they hold and how long they play; send nothing")
	f.Duration("input-file-max-wait", 0, "longest time between two messages; longer gaps of a recording are cut to it; 0: none are")
	f.Int("input-file-read-depth", 100, "records of a .gor file that are put in order by time")
	f.String("input-from", "", "leave out what was recorded before `INSTANT`: '90s' from the start, or '2026-01-31T12:00:00Z'")
	f.String("input-to", "", "leave out what was recorded at `INSTANT` and after")
	f.Var(&message, "record-max-message", "largest message that is recorded or replayed; larger ones are dropped and counted")
	f.Var(&open, "record-max-open", "bytes of messages that are going on, all connections together; beyond it they are dropped and counted")
	f.Var(&queue, "record-queue", "bytes of records that wait between capture and outputs; beyond it they are dropped (live) or waited for (files)")
}

func recordOutputFlags(f *pflag.FlagSet) {
	limit, total := Size(32<<20), Size(1<<40)
	f.Bool("output-stdout", false, "write records to stdout, in the form of a .gor file, without secrets (see --redact)")
	f.Bool("output-file-redact", false, "hide secrets in .gor files too; they cannot be replayed then as they were")
	f.StringSlice("redact-headers", nil, "more `NAMES` of header fields whose values are secret in records")
	f.StringSlice("redact-json", nil, "`PATHS` of JSON members that are secret in records: $.user.password, $.items[*].id, **.token")
	f.Bool("output-file-append", false, "append to one .gor file instead of numbering them")
	f.Duration("output-file-flush-interval", time.Second, "how long a record waits to be written to a .gor file")
	f.Var(&limit, "output-file-size-limit", "size of a .gor file after which the next one begins; 0: none")
	f.Var(&total, "output-file-max-size-limit", "size of all .gor files of a run; beyond it records are dropped and counted; 0: none")
	f.Int("output-file-queue-limit", 0, "records of a .gor file after which the next one begins; 0: none")
}

func targetFlags(f *pflag.FlagSet) {
	response := Size(200 << 10)
	f.StringArray("output-http", nil, "replay to `URL`, 'http://staging:8080|10%' of the connections, '|50' requests/s, '|x10' times; repeats")
	f.Int("output-http-workers", 0, "connections of a pool; 0: one for each recorded connection, its requests in order")
	f.Duration("output-http-timeout", 5*time.Second, "of connecting, and of a request until its response is whole")
	f.Duration("output-http-worker-timeout", 0, "close a connection that is idle for so long; 0: 60s, or 2s in a pool")
	f.Int("output-http-redirects", 0, "how many redirects to follow for a request")
	f.Int("output-http-queue-len", 100000, "requests that wait for the target; beyond it they are dropped (live) or waited for (files)")
	f.Int("output-http-max-conns", 10000, "connections to the target at once")
	f.Var(&response, "output-http-response-buffer", "bytes kept of a response that is tracked or compared")
	f.Bool("output-http-skip-verify", false, "accept any TLS certificate of the target")
	f.Bool("output-http-track-response", false, "hand the target's responses to files, --output-stdout and --middleware")
	f.Bool("output-http-allow-unsafe", false, "replay POST and other unsafe methods to the very server they were captured from")
	f.Duration("output-stall-timeout", 10*time.Second, "how long one output may hold up the reading of files; then what it has no room for is dropped and counted")
}

func httpFlags(f *pflag.FlagSet) {
	f.StringArray("http-allow-method", nil, "pass requests with `METHOD` only; repeats")
	f.StringArray("http-disallow-method", nil, "drop requests with `METHOD`; repeats")
	f.StringArray("http-allow-url", nil, "pass requests whose path and query match `REGEXP` only; 'http://...' and '^www...' see the host too; repeats")
	f.StringArray("http-disallow-url", nil, "drop requests whose path and query match `REGEXP`, as --http-allow-url does; repeats")
	f.StringArray("http-allow-header", nil, "pass requests with 'NAME:REGEXP' only; repeats")
	f.StringArray("http-disallow-header", nil, "drop requests with 'NAME:REGEXP'; repeats")
	f.StringArray("http-basic-auth-filter", nil, "pass requests whose user:password matches `REGEXP` only")
	f.StringArray("http-header-limiter", nil, "pass a share of requests by the hash of a field's value: 'user-id:25%'")
	f.StringArray("http-param-limiter", nil, "pass a share of requests by the hash of a parameter's value: 'user_id:25%'")
	f.StringArray("http-set-header", nil, "set a header field: 'X-Env: staging'; repeats")
	f.StringArray("http-set-param", nil, "set a query parameter: 'api_key=1'; repeats")
	f.StringArray("http-rewrite-url", nil, "rewrite the path by 'REGEXP:REPLACEMENT', with $1; repeats")
	f.StringArray("http-rewrite-header", nil, "rewrite a field by 'NAME: REGEXP,REPLACEMENT', with $1; repeats")
	f.StringArray("http-rewrite-body", nil, "rewrite the body by 'REGEXP:REPLACEMENT'; its length or chunks follow; repeats")
	f.Bool("http-original-host", false, "keep the Host as it was recorded instead of the target's")
	f.String("middleware", "", "run `COMMAND` and pass every record through it: gor's protocol, hex lines on stdin and stdout")
	f.Duration("middleware-timeout", 5*time.Second, "how long the middleware may take for a record")
}

func compareFlags(f *pflag.FlagSet) {
	f.Bool("compare", false, "compare the responses of the --output-http target with the recorded ones, and with a baseline's")
	f.StringArray("compare-baseline", nil, "replay to `URL` too, the old version: what it does differently from the recording is noise; twice at most")
	f.StringSlice("compare-ignore-header", nil, "`NAMES` or patterns (X-Debug-*) of header fields that may differ, in addition to the usual ones")
	f.StringSlice("compare-header", nil, "`NAMES` of header fields to compare though they usually differ")
	f.StringSlice("compare-ignore-json", nil, "`PATHS` of JSON members that may differ: $.a.b, $.items[*].id, $..updated")
	f.Bool("compare-ignore-latency", false, "do not judge latencies")
	f.Float64("compare-threshold", 0, "share of exchanges that may differ, 0 to 1; above it the exit status is 3")
}
