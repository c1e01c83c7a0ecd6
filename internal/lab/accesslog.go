package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// accessFormat is nginx's log_format for Access. The target comes last: it may
// hold anything but a line break.
const accessFormat = "$remote_addr $remote_port $request_length $bytes_sent $status $request_method $request_uri"

// Access is one request as nginx counted it.
type Access struct {
	Client        string // address
	Port          uint16 // the client's
	RequestBytes  int64  // request line, headers and body, as on the wire
	ResponseBytes int64  // head and body, as on the wire
	Status        int
	Method        string
	Target        string // as sent
}

func readAccessLog(path string) ([]Access, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nginx ended before it had opened it
	}
	if err != nil {
		return nil, fmt.Errorf("read access log: %w", err)
	}
	var log []Access
	for line := range strings.Lines(string(text)) {
		var a Access
		_, err := fmt.Sscan(line, &a.Client, &a.Port, &a.RequestBytes, &a.ResponseBytes, &a.Status, &a.Method, &a.Target)
		if err != nil {
			return log, fmt.Errorf("parse access log: %w: %q", err, line)
		}
		log = append(log, a)
	}
	return log, nil
}

// AccessTotals sums a log.
func AccessTotals(log []Access) (requests int, requestBytes, responseBytes int64) {
	for _, a := range log {
		requestBytes += a.RequestBytes
		responseBytes += a.ResponseBytes
	}
	return len(log), requestBytes, responseBytes
}
