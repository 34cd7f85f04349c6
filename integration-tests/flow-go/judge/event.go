package judge

import (
	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// eventMutations put one more service event into a result, changed in one place: an execution node can claim
// whatever flow-go can read. No verifier approves of it, so none of these is ever sealed. What follows from odd
// events that are sealed is seen on chains with [network.Rates.Odd].
var eventMutations = []mutation{
	odd("event: odd setup", func(_ *candidate, entry *flow.RichEpochStateEntry) flow.ServiceEvent {
		return entry.CurrentEpochSetup.ServiceEvent()
	}),
	odd("event: odd commit", func(_ *candidate, entry *flow.RichEpochStateEntry) flow.ServiceEvent {
		return entry.CurrentEpochCommit.ServiceEvent()
	}),
	odd("event: odd recover", func(_ *candidate, entry *flow.RichEpochStateEntry) flow.ServiceEvent {
		recovery := flow.EpochRecover{EpochSetup: *entry.CurrentEpochSetup, EpochCommit: *entry.CurrentEpochCommit}
		return recovery.ServiceEvent()
	}),
	odd("event: odd ejection", func(c *candidate, _ *flow.RichEpochStateEntry) flow.ServiceEvent {
		return (&flow.EjectNode{NodeID: c.random.Identifier()}).ServiceEvent()
	}),
	odd("event: odd upgrade", func(c *candidate, _ *flow.RichEpochStateEntry) flow.ServiceEvent {
		return (&flow.ProtocolStateVersionUpgrade{NewProtocolStateVersion: 2, ActiveView: c.block.View + 100}).ServiceEvent()
	}),
	odd("event: odd extension view count", func(*candidate, *flow.RichEpochStateEntry) flow.ServiceEvent {
		return (&flow.SetEpochExtensionViewCount{Value: 100}).ServiceEvent()
	}),
	odd("event: odd version beacon", func(c *candidate, _ *flow.RichEpochStateEntry) flow.ServiceEvent {
		return (&flow.VersionBeacon{Sequence: 3, VersionBoundaries: []flow.VersionBoundary{
			{BlockHeight: c.block.Height, Version: "0.45.2"}, {BlockHeight: c.block.Height + 9, Version: "0.46.0-rc.1+x"},
		}}).ServiceEvent()
	}),
}

// odd adds an event, made of the parent's epochs and then changed in one place, to a result.
func odd(name string, valid func(*candidate, *flow.RichEpochStateEntry) flow.ServiceEvent) mutation {
	return mutation{name, func(c *candidate) (bool, error) {
		if len(c.block.Payload.Results) == 0 {
			return false, nil
		}
		state, err := c.network.State.At(c.parent.ID).EpochProtocolState()
		if err != nil {
			return false, err
		}
		event, changed := network.Odd(c.random, valid(c, state.Entry()))
		if !changed {
			return false, nil
		}
		return result(name, func(_ *candidate, r *flow.ExecutionResult) {
			r.ServiceEvents = append(r.ServiceEvents, event)
			last := len(r.Chunks) - 1
			system := *r.Chunks[last]
			system.ServiceEventCount++
			r.Chunks[last] = &system
		}).apply(c)
	}}
}
