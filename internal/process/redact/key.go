package redact

import (
	"bytes"
	"fmt"
	"os"
)

// ReadKey reads a key from a file: its text without white space around it.
func ReadKey(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read redaction key: %w", err)
	}
	key := bytes.TrimSpace(text)
	if err := checkKey(key); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return key, nil
}

func checkKey(key []byte) error {
	if len(key) < minKey {
		return fmt.Errorf("use redaction key: it has %d bytes (give at least %d, for example from `openssl rand -hex 32`)", len(key), minKey)
	}
	return nil
}
