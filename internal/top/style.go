package top

import (
	"github.com/gdamore/tcell/v3"
	"github.com/gdamore/tcell/v3/color"
)

// style says how a role looks. Where there are no colours, nothing but the colour is
// lost: attributes tell the same.
func (m *model) style(r role) tcell.Style {
	s := tcell.StyleDefault
	if m.o.NoColor {
		switch r {
		case faint:
			return s.Dim(true)
		case strong, warned, alarmed, headSorted, keyName:
			return s.Bold(true).Reverse(r == headSorted)
		case title, head, selected, tabShown:
			return s.Reverse(true)
		}
		return s
	}
	switch r {
	case faint:
		return s.Dim(true)
	case strong:
		return s.Bold(true)
	case warned:
		return s.Foreground(color.Olive)
	case alarmed:
		return s.Foreground(color.Red).Bold(true)
	case drawn:
		return s.Foreground(color.Teal)
	case title:
		return s.Background(color.Navy).Foreground(color.White)
	case head:
		return s.Reverse(true)
	case headSorted:
		return s.Background(color.Teal).Foreground(color.White).Bold(true)
	case selected:
		return s.Background(color.Teal).Foreground(color.White)
	case tab:
		return s.Foreground(color.Teal)
	case tabShown:
		return s.Bold(true).Underline(true)
	case keyName:
		return s.Foreground(color.Teal).Bold(true)
	}
	return s
}
