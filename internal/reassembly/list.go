package reassembly

// list is a doubly linked list through a node inside each element, so that
// moving an element allocates nothing. The zero value is empty.
type list[T any] struct {
	head, tail *node[T]
}

// node is an element's place in a list. owner must be set before use.
type node[T any] struct {
	prev, next *node[T]
	owner      *T
	linked     bool
}

func (l *list[T]) front() *T {
	if l.head == nil {
		return nil
	}
	return l.head.owner
}

func (l *list[T]) pushBack(n *node[T]) {
	n.linked, n.prev, n.next = true, l.tail, nil
	if l.tail == nil {
		l.head = n
	} else {
		l.tail.next = n
	}
	l.tail = n
}

// remove unlinks n; it does nothing where n is in no list.
func (l *list[T]) remove(n *node[T]) {
	if !n.linked {
		return
	}
	if n.prev == nil {
		l.head = n.next
	} else {
		n.prev.next = n.next
	}
	if n.next == nil {
		l.tail = n.prev
	} else {
		n.next.prev = n.prev
	}
	n.linked, n.prev, n.next = false, nil, nil
}

func (l *list[T]) moveToBack(n *node[T]) {
	if l.tail == n {
		return
	}
	l.remove(n)
	l.pushBack(n)
}
