package output

import "gortap/internal/process/redact"

// SensitiveParameters are the names whose values are secrets by default.
func SensitiveParameters() []string { return redact.Parameters() }
