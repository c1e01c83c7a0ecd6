package capture

import (
	"errors"

	"gortap/internal/filter"

	"github.com/cilium/ebpf"
)

// filters is the expression as each kind of interface needs it.
type filters struct {
	ethernet, raw *filter.Filter
	rawErr        error // why raw-IP interfaces cannot be captured
}

// compileFilters returns a *filter.SyntaxError for a wrong expression. One that
// speaks of Ethernet is right, but leaves raw-IP interfaces out.
func compileFilters(expr string) (*filters, error) {
	f := &filters{}
	if expr == "" {
		return f, nil
	}
	var err error
	if f.ethernet, err = filter.Compile(expr, filter.Ethernet); err != nil {
		return nil, err
	}
	var link *filter.LinkError
	f.raw, err = filter.Compile(expr, filter.Raw)
	if errors.As(err, &link) {
		f.rawErr = err
		return f, nil
	}
	return f, err
}

// inject builds the filters into the programs that call them.
func (f *filters) inject(spec *ebpf.CollectionSpec) error {
	for _, p := range []struct {
		program, stub string
		filter        *filter.Filter
	}{
		{"tc_l2_ingress", "filter_tc_l2", f.ethernet},
		{"tc_l2_egress", "filter_tc_l2", f.ethernet},
		{"tc_l3_ingress", "filter_tc_l3", f.raw},
		{"tc_l3_egress", "filter_tc_l3", f.raw},
		{"xdp_l2", "filter_xdp_l2", f.ethernet},
		{"xdp_l3", "filter_xdp_l3", f.raw},
	} {
		if err := filter.Inject(spec.Programs[p.program], p.stub, p.filter); err != nil {
			return err
		}
	}
	return nil
}
