package network

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/onflow/flow-go/model/flow"
)

// makeOdd changes some of a block's events in one place.
func (n *Network) makeOdd(emissions []Emission) {
	if n.config.Rates.Odd == 0 {
		return
	}
	for index, emission := range emissions {
		if !n.random.Chance(n.config.Rates.Odd) {
			continue
		}
		if event, changed := Odd(n.random, emission.Event); changed {
			emissions[index] = Emission{emission.Name + ", odd", event}
		}
	}
}

// Odd changes a service event in one place of its JSON form and returns what flow-go reads then. It says false
// where flow-go reads nothing, cannot hash or write what it read, or reads what it was.
func Odd(random *Random, event flow.ServiceEvent) (flow.ServiceEvent, bool) {
	var changed flow.ServiceEvent
	err := Guarded(func() (err error) {
		changed, err = change(random, event)
		return err
	})
	if err != nil {
		return event, false
	}
	return changed, true
}

func change(random *Random, event flow.ServiceEvent) (flow.ServiceEvent, error) {
	written, err := json.Marshal(event.Event)
	if err != nil {
		return event, err
	}
	decoder := json.NewDecoder(bytes.NewReader(written))
	decoder.UseNumber()
	var tree any
	if err := decoder.Decode(&tree); err != nil {
		return event, err
	}
	spots := spotsOf(nil, tree, func(value any) { tree = value })
	if len(spots) == 0 {
		return event, fmt.Errorf("a %s has nothing to change", event.Type)
	}
	spot := pick(random, spots)
	spot.set(oddValue(random, spot.value))
	odd, err := json.Marshal(tree)
	if err != nil {
		return event, err
	}
	changed, err := flow.ServiceEventJSONMarshaller.UnmarshalWithType(odd, event.Type)
	if err != nil {
		return event, err
	}
	same, err := changed.EqualTo(&event)
	if err == nil && same {
		err = fmt.Errorf("the %s stays what it was", event.Type)
	}
	// An ID that cannot be computed ends a node as soon as it sees the event.
	_ = flow.MakeID(changed.Event)
	if err == nil {
		// Nor can an access node tell of a block with an event that it cannot write, as with a role that is null.
		_, err = json.Marshal(changed.Event)
	}
	return changed, err
}

// spot is one value in a JSON tree, and how to put another in its place.
type spot struct {
	value any
	set   func(any)
}

// spotsOf adds all values of a tree to a list, in an order that depends on nothing but the tree. Of a list only
// the first and the last element are entered, so that a long one does not crowd out what stands beside it.
func spotsOf(spots []spot, value any, set func(any)) []spot {
	spots = append(spots, spot{value, set})
	switch value := value.(type) {
	case []any:
		for index := range value {
			if index == 0 || index == len(value)-1 {
				spots = spotsOf(spots, value[index], func(other any) { value[index] = other })
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			spots = spotsOf(spots, value[key], func(other any) { value[key] = other })
		}
	}
	return spots
}

// oddValue returns a value that is not what it was: null, or something of the same type.
func oddValue(random *Random, value any) any {
	if random.Chance(0.2) {
		return nil
	}
	switch value := value.(type) {
	case json.Number:
		return oddNumber(random, value)
	case string:
		return oddString(random, value)
	case []any:
		return oddList(random, value)
	case map[string]any:
		return oddObject(random, value)
	case bool:
		return !value
	default:
		return pick(random, []any{"", "00", json.Number("0"), []any{}, map[string]any{}})
	}
}

func oddNumber(random *Random, number json.Number) any {
	value, err := number.Int64()
	if err != nil || random.Chance(0.4) {
		return pick(random, []json.Number{"0", "1", "2", "9223372036854775808", "18446744073709551615"})
	}
	return value + pick(random, []int64{-1, 1, 2, 1000})
}

func oddString(random *Random, text string) any {
	switch at := random.IntN(max(len(text), 1)); {
	case len(text) == 0 || random.Chance(0.1):
		return pick(random, []string{"", "00", "0.1.2"})
	case random.Chance(0.3):
		return text[:at]
	case random.Chance(0.3):
		return text + text[at:]
	default:
		return text[:at] + pick(random, []string{"0", "1", "8", "a", "f", "F", "-"}) + text[at+1:]
	}
}

func oddList(random *Random, list []any) any {
	if len(list) == 0 || random.Chance(0.1) {
		return []any{}
	}
	at, other := random.IntN(len(list)), random.IntN(len(list))
	changed := slices.Clone(list)
	switch random.IntN(4) {
	case 0:
		return slices.Delete(changed, at, at+1)
	case 1:
		return slices.Insert(changed, at, changed[other])
	case 2:
		changed[at], changed[other] = changed[other], changed[at]
	default:
		slices.Reverse(changed)
	}
	return changed
}

func oddObject(random *Random, object map[string]any) any {
	if len(object) == 0 {
		return nil
	}
	changed := maps.Clone(object)
	delete(changed, pick(random, slices.Sorted(maps.Keys(object))))
	return changed
}
