package incident

import (
	"testing"

	"gortap/internal/insight"
)

func TestListsSumToTheTotal(t *testing.T) {
	v, err := New().View(insight.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for name, rows := range map[string][]insight.Row{"services": v.Services, "endpoints": v.Endpoints, "clients": v.Clients, "pairs": v.Pairs, "statuses": v.Statuses} {
		var n uint64
		for _, r := range rows {
			n += r.RequestBytes + r.ResponseBytes
		}
		if want := v.Total.RequestBytes + v.Total.ResponseBytes; n != want {
			t.Errorf("%s: %d bytes, want %d", name, n, want)
		}
	}
	if v.Endpoints[0].Path != "/api/v1/export" || v.Endpoints[0].Share < 0.5 {
		t.Errorf("the first endpoint is %+v", v.Endpoints[0])
	}
}
