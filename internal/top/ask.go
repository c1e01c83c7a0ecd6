package top

import (
	"fmt"
	"runtime/debug"

	"gortap/internal/insight"
)

// question is what the screen needs next. Two that are equal have the same answer as
// long as nothing happens.
type question struct {
	serial uint64 // of the model's state that it is for
	list   list
	query  insight.Query
}

// answer is what came of it. What a list does not need is left empty.
type answer struct {
	question
	view      insight.View
	findings  []insight.Finding
	events    []insight.Event
	exchanges []insight.Exchange
	err       error
	panicked  string
}

// asker asks the source beside the screen, one question at a time: it may be far away.
type asker struct {
	source    insight.Source
	questions chan question
	answers   chan answer
	busy      bool // of the one who asks
}

func (a *asker) ask(q question) {
	a.busy = true
	a.questions <- q
}

func (a *asker) run() {
	for q := range a.questions {
		a.answers <- a.answer(q)
	}
}

func (a *asker) answer(q question) (got answer) {
	got.question = q
	defer func() {
		if p := recover(); p != nil {
			got.panicked = fmt.Sprintf("%v\n%s", p, debug.Stack()) // where, for this stack ends here
		}
	}()
	if got.view, got.err = a.source.View(q.query); got.err != nil {
		return got
	}
	if got.findings, got.err = a.source.Findings(); got.err != nil {
		return got
	}
	switch q.list {
	case events:
		got.events, got.err = a.source.Events()
	case exchanges:
		got.exchanges, got.err = a.source.Exchanges(q.query, 0)
	}
	return got
}
