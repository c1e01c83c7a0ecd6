package capture

import "errors"

// Probe loads the programs and attaches them to the loopback interface for a
// moment, with a filter that lets nothing through, to tell whether this hook
// works here. The error names the remedy.
func Probe(hook Hook, how Attach) error {
	c, err := Open(Options{
		Filter:     "tcp port 1 and less 1",
		Interfaces: []string{"lo"},
		Hook:       hook,
		Attach:     how,
		RingBytes:  64 << 10,
		MaxFlows:   1,
		Shards:     1,
	})
	if err != nil {
		return err
	}
	defer c.Close()
	defer c.links.detach()
	if err := c.links.attach(); err != nil {
		return err
	}
	if len(c.links.list()) == 0 {
		return errors.New("the loopback interface is down, so nothing was tried (ip link set lo up)")
	}
	return nil
}
