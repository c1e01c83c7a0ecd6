// Package process changes records on their way from the sources to the outputs:
// filters, modifiers, redaction, middleware, and the limits that an output is
// given behind a "|". It takes messages as the bytes that were sent, and what it
// is not asked to change stays as it was, byte for byte.
package process
