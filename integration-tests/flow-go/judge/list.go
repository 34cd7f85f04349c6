package judge

import (
	"slices"

	"github.com/onflow/flow-go/model/flow"
)

// list is one of the payload's lists.
type list[T any] struct {
	// of returns it.
	of func(payload *flow.Payload) *[]*T
	// after mends what follows from the list, if anything does.
	after func(candidate *candidate) error
}

// one is a mutation at an element drawn at random. It gets a copy of the list, whose elements are shared with other
// blocks, and returns what takes its place.
func (l list[T]) one(name string, change func(candidate *candidate, copied []*T, index int) ([]*T, error)) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		elements := slices.Clone(*l.of(&c.block.Payload))
		if len(elements) == 0 {
			return false, nil
		}
		changed, err := change(c, elements, c.random.Between(0, len(elements)-1))
		if err != nil {
			return true, err
		}
		return true, l.put(c, changed)
	}}
}

func (l list[T]) put(c *candidate, elements []*T) error {
	*l.of(&c.block.Payload) = elements
	if l.after == nil {
		return nil
	}
	return l.after(c)
}

// changed changes a copy of one element.
func (l list[T]) changed(name string, change func(candidate *candidate, element *T) error) mutation {
	return l.one(name, func(c *candidate, copied []*T, index int) ([]*T, error) {
		element := *copied[index]
		err := change(c, &element)
		copied[index] = &element
		return copied, err
	})
}

// twice repeats one element behind all.
func (l list[T]) twice(name string) mutation {
	return l.one(name, func(_ *candidate, copied []*T, index int) ([]*T, error) {
		return append(copied, copied[index]), nil
	})
}

// leftOut leaves one element out.
func (l list[T]) leftOut(name string) mutation {
	return l.one(name, func(_ *candidate, copied []*T, index int) ([]*T, error) {
		return slices.Delete(copied, index, index+1), nil
	})
}

// again repeats an element of the nearest ancestor that has one.
func (l list[T]) again(name string) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		for at := c.parent; at.Parent != nil; at = at.Parent {
			if earlier := *l.of(&at.Block().Payload); len(earlier) > 0 {
				return true, l.put(c, append(slices.Clone(*l.of(&c.block.Payload)), earlier[0]))
			}
		}
		return false, nil
	}}
}
