package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const tempPattern = "gortap-lab-*"

// orphanAge keeps the sweep away from a folder that was made but not locked yet.
const orphanAge = time.Minute

// TempDir is a folder that is locked as long as the process that made it lives,
// so that a later one can tell what a killed one left behind.
type TempDir struct {
	Path string
	lock *os.File
}

// NewTempDir makes a folder, and removes those of dead processes. The caller
// removes it.
func NewTempDir() (*TempDir, error) {
	if err := sweepTempDirs(); err != nil {
		return nil, err
	}
	path, err := os.MkdirTemp("", tempPattern)
	if err != nil {
		return nil, fmt.Errorf("create temp folder: %w", err)
	}
	lock, err := lockDir(path)
	if err != nil {
		os.RemoveAll(path)
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &TempDir{Path: path, lock: lock}, nil
}

// Remove removes the folder and what is in it.
func (d *TempDir) Remove() error {
	defer d.lock.Close()
	if err := os.RemoveAll(d.Path); err != nil {
		return fmt.Errorf("remove temp folder: %w", err)
	}
	return nil
}

func sweepTempDirs() error {
	paths, err := filepath.Glob(filepath.Join(os.TempDir(), tempPattern))
	if err != nil {
		return fmt.Errorf("list temp folders: %w", err)
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.IsDir() || time.Since(info.ModTime()) < orphanAge {
			continue
		}
		lock, err := lockDir(path)
		if err != nil {
			continue // in use, or another sweep has it
		}
		err = (&TempDir{Path: path, lock: lock}).Remove()
		if err != nil {
			return err
		}
	}
	return nil
}

func lockDir(path string) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.Close()
		return nil, err
	}
	return dir, nil
}
