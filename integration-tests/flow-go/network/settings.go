package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
)

// emitEjections ejects nodes of any epoch, unknown ones and ejected ones again,
// sometimes several at once.
func (n *Network) emitEjections(x *execution) []Emission {
	if !n.random.Chance(n.config.Rates.Eject) {
		return nil
	}
	var emissions []Emission
	for range pick(n.random, []int{1, 1, 1, 2, 3}) {
		id, what := n.drawEjected(x)
		if !n.expendable(x, id) {
			continue
		}
		event := (&flow.EjectNode{NodeID: id}).ServiceEvent()
		x.pending = append(x.pending, event)
		emissions = append(emissions, Emission{"EjectNode, " + what, event})
	}
	return emissions
}

// drawEjected draws a node to eject, and says what it is.
func (n *Network) drawEjected(x *execution) (flow.Identifier, string) {
	switch {
	case n.random.Chance(0.15):
		return n.random.Identifier(), "unknown"
	case n.random.Chance(0.3) && x.entry.NextEpoch != nil:
		return pick(n.random, x.entry.NextEpoch.ActiveIdentities).NodeID, "of the next epoch"
	case n.random.Chance(0.2) && x.entry.PreviousEpoch != nil:
		return pick(n.random, x.entry.PreviousEpoch.ActiveIdentities).NodeID, "of the previous epoch"
	default:
		return pick(n.random, x.entry.CurrentEpoch.ActiveIdentities).NodeID, "of the current epoch"
	}
}

// expendable says whether enough nodes of the role remain without a node: chunks must
// be executed and assigned, or nothing can be sealed.
func (n *Network) expendable(x *execution, id flow.Identifier) bool {
	if !expendableIn(x, x.entry.CurrentEpochSetup, &x.entry.CurrentEpoch, id) {
		return false
	}
	return x.entry.NextEpoch == nil || expendableIn(x, x.entry.NextEpochSetup, x.entry.NextEpoch, id)
}

func expendableIn(x *execution, setup *flow.EpochSetup, epoch *flow.EpochStateContainer, id flow.Identifier) bool {
	node, listed := setup.Participants.ByNodeID(id)
	if !listed {
		return true
	}
	remaining := 0
	for _, other := range setup.Participants {
		active := other.Role == node.Role && other.InitialWeight > 0 && other.NodeID != id
		if active && !isEjected(*epoch, other.NodeID) && !x.awaitsEjection(other.NodeID) {
			remaining++
		}
	}
	return remaining >= roleMinimum[node.Role]
}

func (x *execution) awaitsEjection(id flow.Identifier) bool {
	for _, event := range x.pending {
		if eject, is := event.Event.(*flow.EjectNode); is && eject.NodeID == id {
			return true
		}
	}
	return false
}

// roleMinimum is how many nodes of a role ejections leave.
var roleMinimum = map[flow.Role]int{
	flow.RoleConsensus: 2, flow.RoleCollection: 1, flow.RoleExecution: 1, flow.RoleVerification: minVerification,
}

// emitUpgrades schedules protocol state versions: good ones, at an epoch's boundary,
// competing, too early, and of versions that are not next.
func (n *Network) emitUpgrades(x *execution) []Emission {
	if !n.random.Chance(n.config.Rates.Upgrade) {
		return nil
	}
	var emissions []Emission
	for range pick(n.random, []int{1, 1, 1, 2}) {
		version := x.store.GetProtocolStateVersion() + pick(n.random, []uint64{0, 1, 1, 1, 1, 2})
		view, what := n.drawActivation(x)
		if version >= unreadableVersion {
			if n.random.Chance(0.7) {
				continue
			}
			// flow-go can schedule this version and write it, but not read it: it must never activate.
			version, view, what = unreadableVersion, x.view+1_000_000, "far ahead"
		}
		event := &flow.ProtocolStateVersionUpgrade{NewProtocolStateVersion: version, ActiveView: view}
		name := fmt.Sprintf("ProtocolStateVersionUpgrade to %d, %s", version, what)
		emissions = append(emissions, Emission{name, event.ServiceEvent()})
	}
	return emissions
}

// drawActivation draws the view at which an upgrade is to activate, and says what it is.
func (n *Network) drawActivation(x *execution) (uint64, string) {
	threshold := x.store.GetFinalizationSafetyThreshold()
	switch boundary := x.entry.CurrentEpochFinalView() + 1; {
	case n.random.Chance(0.2):
		return x.view + n.random.Uint64N(threshold), "too early"
	case n.random.Chance(0.4) && boundary > x.view+threshold+8:
		return boundary, "at the epoch's boundary"
	default:
		return x.view + threshold + uint64(n.random.Between(3, 40)), "soon"
	}
}

// emitSettings emits the events that set a value, and version beacons, which the
// protocol state ignores.
func (n *Network) emitSettings(x *execution) []Emission {
	var emissions []Emission
	if n.random.Chance(n.config.Rates.ExtensionViewCount) {
		least := 2 * x.store.GetFinalizationSafetyThreshold()
		value := pick(n.random, []uint64{0, least / 2, least - 1, least, least + 1, least + 17, 2 * least})
		event := &flow.SetEpochExtensionViewCount{Value: value}
		emissions = append(emissions, Emission{fmt.Sprintf("SetEpochExtensionViewCount to %d", value), event.ServiceEvent()})
	}
	if n.random.Chance(n.config.Rates.VersionBeacon) {
		emissions = append(emissions, n.drawVersionBeacon(x))
	}
	return emissions
}

func (n *Network) drawVersionBeacon(x *execution) Emission {
	beacon := &flow.VersionBeacon{Sequence: x.height, VersionBoundaries: []flow.VersionBoundary{
		{BlockHeight: x.height, Version: "0.45.2"},
		{BlockHeight: x.height + uint64(n.random.Between(100, 1000)), Version: "0.46.0"},
	}}
	name := "VersionBeacon"
	if n.random.Chance(0.3) {
		beacon.VersionBoundaries[1].Version = "not a version"
		name += ", invalid"
	}
	return Emission{name, beacon.ServiceEvent()}
}

// unreadableVersion is the protocol state version that flow-go v0.46 cannot read back.
const unreadableVersion = 3
