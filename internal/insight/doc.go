// Package insight answers who uses the bandwidth, and why. Each finished exchange
// becomes an Observation; the Book keeps bounded sums of them over time, detectors look
// for waste in them. What comes out (View, Finding, Event, Exchange) is what the terminal
// view, the report, the web page and its JSON API show. Nothing here does I/O.
package insight
