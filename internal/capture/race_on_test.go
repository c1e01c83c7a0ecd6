//go:build race

package capture

// raceDetector says that this is a slow build.
const raceDetector = true
