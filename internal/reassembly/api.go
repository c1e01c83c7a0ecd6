// Package reassembly puts the segments of TCP connections back in order and
// delivers each direction's bytes once, with gaps told honestly.
package reassembly

import "gortap/internal/flow"

// Gap, Receiver, Conn... (see the package's files)
var _ flow.Key
