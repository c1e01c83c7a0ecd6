package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gortap/internal/lab"
)

// summary is what the demo reads of the agent's.
type summary struct {
	Exchanges    uint64 `json:"exchanges"`
	MessageBytes int64  `json:"message_bytes"`
}

const next = `
Try next:
  agent --bpf-filter 'tcp port 80'                     watch this machine; page and metrics on http://127.0.0.1:9464/
  agent --input-file capture.pcap --output-jsonl -     the same from a file, one JSON line an exchange
  agent doctor                                         what works on this machine
`

// conclude sets what the agent saw beside what nginx logged. Each is complete on
// its own, so they agree unless the agent lost something.
func conclude(w io.Writer, path string, log []lab.Access) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read summary: %w", err)
	}
	var s summary
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("parse summary: %w", err)
	}
	requests, in, out := lab.AccessTotals(log)
	fmt.Fprintf(w, "\n%-12s %12s %16s\n", "", "exchanges", "HTTP bytes")
	fmt.Fprintf(w, "%-12s %12d %16d\n", "nginx's log", requests, in+out)
	fmt.Fprintf(w, "%-12s %12d %16d\n", "agent", s.Exchanges, s.MessageBytes)
	_, err = io.WriteString(w, next)
	return err
}
