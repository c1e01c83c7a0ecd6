package account

import "testing"

func TestTemplaterNamesPathsAsTheMetricsDo(t *testing.T) {
	tp, err := NewTemplater([]string{"/files/**"})
	if err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{"/users/42?x=1": "/users/{id}", "/files/a/b": "/files/**"} {
		if got := string(tp.Path([]byte("GET"), []byte(target))); got != want {
			t.Errorf("%s: %s, want %s", target, got, want)
		}
	}
	if _, err := NewTemplater([]string{"files"}); err == nil {
		t.Error("a pattern without a slash was taken")
	}
}

func TestIsDataTellsKeysFromWords(t *testing.T) {
	for name, want := range map[string]bool{
		"": false, "name": false, "address2": false, "v1": false, "2024-01-31": true, "17": true,
		"550e8400-e29b-41d4-a716-446655440000": true, "order-17": false,
	} {
		if got := IsData([]byte(name)); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
