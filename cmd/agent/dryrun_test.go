package main

import (
	"os"
	"strings"
	"testing"

	"gortap/internal/testutil"
)

func TestADryRunTellsWhatFilesHoldAndSendsNothing(t *testing.T) {
	for file, want := range map[string]string{
		"../../internal/testutil/corpus/data/gen-websocket-deflate.pcap|200%": "104 records, 1 of them requests, from 2026-11-21T19:57:06.507495Z for 11ms; plays for 6ms\n",
		"../../internal/gorfile/testdata/plain.gor":                           "8 records, 5 of them requests, from 2026-11-21T23:56:37.235852578Z for 126ms; plays for 126ms\n",
	} {
		var stderr testutil.Buffer
		e := env{stdout: &stderr, stderr: &stderr, getenv: os.Getenv}
		status := run(t.Context(), e, []string{"--listen", "", "--input-file", file, "--input-file-dry-run", "--output-http", "http://127.0.0.1:1"})
		if got := stderr.String(); status != 0 || !strings.HasSuffix(got, want) || strings.Contains(got, "127.0.0.1:1") {
			t.Errorf("%s: status %d, stderr\n%s", file, status, got)
		}
	}
}
