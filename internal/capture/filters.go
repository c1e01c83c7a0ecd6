package capture

import "github.com/cilium/ebpf"

type filters struct{ rawErr error }

func compileFilters(expr string) (*filters, error)        { return &filters{}, nil }
func (f *filters) inject(spec *ebpf.CollectionSpec) error { return nil }
