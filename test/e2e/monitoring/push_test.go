package monitoring

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"gortap/internal/lab"
	"gortap/internal/testutil"
)

const gatewayAddress = "127.0.0.1:9091"

// The metrics of a live agent arrive while it runs and are replaced, and those of a run
// that is over before the first interval arrive at its end.
func TestMetricsArriveInAPushgateway(t *testing.T) {
	testutil.RequireProgram(t, "prometheus-pushgateway", "prometheus-pushgateway")
	n := testutil.Namespace(t)
	testutil.Nginx(t, n, lab.NginxOptions{Files: map[string]int{"10k": 10_000}})
	gateway := launch(t, n, "prometheus-pushgateway", "--web.listen-address="+gatewayAddress)
	has := func(series string) func() bool {
		wanted := regexp.MustCompile(`(?m)^` + series + `$`)
		return func() bool {
			_, body := get(t, n, "http://"+gatewayAddress+"/metrics")
			return wanted.Match(body)
		}
	}
	gateway.await(t, "the gateway", func() bool {
		status, _ := get(t, n, "http://"+gatewayAddress+"/-/ready")
		return status == http.StatusOK
	})
	agent := startAgent(t, n, "--input-raw", ":80", "--table", "never", "--output-metrics", "http://"+gatewayAddress,
		"--output-metrics-interval", "100ms", "--output-metrics-label", "instance=web-1")
	for i, series := range []string{
		`gor_requests_total\{code="200",instance="web-1",job="gortap",method="GET",path="/10k",service="[^"]*"\} 1`,
		`gor_requests_total\{code="200",instance="web-1",job="gortap",method="GET",path="/10k",service="[^"]*"\} 2`,
	} {
		if status, _ := get(t, n, "http://127.0.0.1/10k"); status != http.StatusOK {
			t.Fatalf("request %d: status %d", i, status)
		}
		agent.await(t, series, has(series))
	}
	short := launch(t, n, binary, "--input-file", "../../../internal/testutil/corpus/data/gen-any-sll.pcap", "--listen", "",
		"--output-metrics", "http://"+gatewayAddress, "--output-metrics-interval", "1h", "--output-metrics-label", "instance=short")
	<-short.ended
	_, body := get(t, n, "http://"+gatewayAddress+"/metrics")
	if !strings.Contains(string(body), `gor_pushes_total{instance="short",job="gortap",outcome="failed"} 0`) {
		t.Error("the last push of the short run is not there")
	}
}
