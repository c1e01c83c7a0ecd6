package capture

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// Memory returns how many bytes the kernel keeps for the capture's maps, the rings
// among them. After Close it is 0.
func (c *Capture) Memory() (bytes uint64, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.final != nil || c.objs == nil {
		return 0, nil
	}
	all := append([]*ebpf.Map{c.objs.Flows, c.objs.Counters, c.objs.NewFlows, c.objs.Chunks, c.objs.Lanes, c.objs.Pool, c.objs.WakeAt, c.objs.Bells}, c.bells.maps()...)
	for _, m := range all {
		info, err := m.Info()
		if err != nil {
			return 0, fmt.Errorf("read size of map: %w", err)
		}
		n, _ := info.Memlock()
		bytes += n
	}
	return bytes, nil
}
