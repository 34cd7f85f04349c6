package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// execution is what the system contracts see when a block is executed.
type execution struct {
	record  *Record
	entry   *flow.RichEpochStateEntry
	store   protocol.KVStoreReader
	phase   flow.EpochPhase
	pending []flow.ServiceEvent
}

// emit decides on the service events of a block's execution.
func (n *Network) emit(record *Record) ([]Emission, error) {
	snapshot := n.State.At(record.ID)
	epochState, err := snapshot.EpochProtocolState()
	if err != nil {
		return nil, fmt.Errorf("no epoch state: %w", err)
	}
	store, err := snapshot.ProtocolState()
	if err != nil {
		return nil, fmt.Errorf("no protocol state: %w", err)
	}
	x := &execution{
		record: record, entry: epochState.Entry(), store: store,
		phase: epochState.EpochPhase(), pending: record.Parent.pending(),
	}
	var emissions []Emission
	for _, contract := range []func(*execution) ([]Emission, error){n.emitEpochEvents} {
		emitted, err := contract(x)
		if err != nil {
			return nil, err
		}
		emissions = append(emissions, emitted...)
	}
	return emissions, nil
}

// awaits says whether an event of a type was emitted on this fork and is not yet sealed.
func (x *execution) awaits(types ...flow.ServiceEventType) bool {
	for _, event := range x.pending {
		for _, wanted := range types {
			if event.Type == wanted {
				return true
			}
		}
	}
	return false
}

// emitEpochEvents emits the event that is due in the epoch's phase.
func (n *Network) emitEpochEvents(x *execution) ([]Emission, error) {
	rates := n.config.Rates
	switch x.phase {
	case flow.EpochPhaseStaking:
		if x.awaits(flow.ServiceEventSetup) || !n.random.Chance(rates.Setup) {
			return nil, nil
		}
		setup, err := n.nextSetup(x)
		if err != nil {
			return nil, err
		}
		return []Emission{{"EpochSetup", setup.ServiceEvent()}}, nil
	case flow.EpochPhaseSetup:
		if x.awaits(flow.ServiceEventCommit) || !n.random.Chance(rates.Commit) {
			return nil, nil
		}
		commit, err := n.nextCommit(x.entry.NextEpochSetup)
		if err != nil {
			return nil, err
		}
		return []Emission{{"EpochCommit", commit.ServiceEvent()}}, nil
	default:
		return nil, nil
	}
}

// nextSetup sets up the epoch after the current one.
func (n *Network) nextSetup(x *execution) (*flow.EpochSetup, error) {
	dynamic := x.entry.CurrentEpoch.ActiveIdentities.Lookup()
	ejected := func(id flow.Identifier) bool { return dynamic[id] != nil && dynamic[id].Ejected }
	participants, err := n.nextParticipants(x.entry.CurrentEpochSetup.Participants, ejected)
	if err != nil {
		return nil, err
	}
	firstView := x.entry.CurrentEpochFinalView() + 1
	return n.newSetup(x.entry.EpochCounter()+1, firstView, firstView+n.config.EpochViews-1, participants), nil
}

// nextCommit commits an epoch that was set up. All forks with the same setup see the
// same commit: the DKG ran once.
func (n *Network) nextCommit(setup *flow.EpochSetup) (*flow.EpochCommit, error) {
	id := setup.ID()
	if commit, made := n.planned[id]; made {
		return commit, nil
	}
	beacon, err := n.epochBeacon(setup)
	if err != nil {
		return nil, err
	}
	commit, err := n.newCommit(setup, beacon)
	if err != nil {
		return nil, err
	}
	n.planned[id] = commit
	return commit, nil
}
