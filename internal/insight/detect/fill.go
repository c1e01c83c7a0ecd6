package detect

import "reflect"

// fill replaces zeros by defaults, field by field: a table of its own would have to be
// kept equal to Thresholds.
func (t *Thresholds) fill() {
	own, defaults := reflect.ValueOf(t).Elem(), reflect.ValueOf(Defaults())
	for i := range own.NumField() {
		if own.Field(i).IsZero() {
			own.Field(i).Set(defaults.Field(i))
		}
	}
}
