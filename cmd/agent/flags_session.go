package main

import (
	"time"

	"github.com/spf13/pflag"
)

// sessionFlags are about the replay of whole TCP connections.
func sessionFlags(f *pflag.FlagSet) {
	memory := Size(64 << 20)
	f.StringArray("output-session", nil, "replay TCP connections to `ADDR`: '10.0.0.3:3306', '80->10.0.0.3:8080' for those to port 80 alone, '|10%' of them, '|x10' times, '|50' new ones/s; 'udp://10.0.0.3:53' for UDP requests; repeats")
	f.String("session-client-ip", "own", "where replayed connections come from: own (this machine's address), original (the clients' addresses and ports) or a CIDR; see `agent session-routes`")
	f.String("session-proxy-protocol", "none", "tell the target the clients' addresses in a PROXY protocol header: v1, v2 or none")
	f.String("session-order", "turns", "what a client's write waits for: turns (as much answer as since its last write), bytes (as much answer in all) or time (its time alone)")
	f.Duration("session-stall", time.Second, "how much longer than the server a target may be silent; then the write goes out by its time, and after three of them all do")
	f.Float64("session-speed", 1, "speed at which packet files are played, pauses of clients included, 0.0001 to 100")
	f.Duration("session-max-wait", 0, "longest pause of packet files and of clients; longer ones are cut to it; 0: as recorded")
	f.String("session-rtt", "captured", "round trip that passes between an answer and the client's next write, beside its own time: captured (the client's), 0 or a duration")
	f.Duration("session-timeout", 10*time.Second, "of connecting to the target, and of a write that it does not take")
	f.Int("session-max", 20000, "replayed connections at once, for each target; beyond it they are skipped and counted")
	f.Var(&memory, "session-memory", "bytes of clients that wait for targets; beyond it connections are cut (live) or files waited for")
	f.Duration("session-ramp", 0, "time in which the share of sessions that are replayed grows from none to all; 0: all at once")
	f.String("session-compare", "none", "hold the targets' answers against the server's: length (bytes of a connection), hash (their XXH64 too; copies all that servers send) or none")
	f.Float64("session-compare-threshold", 0, "share of compared connections that may differ, 0 to 1; more is exit status 3")
	f.String("session-log", "", "write one JSON line a replayed connection to `PATH`")
}
