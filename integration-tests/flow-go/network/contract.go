package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// execution is what the system contracts see when a block is executed.
type execution struct {
	view    uint64
	height  uint64
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
		view: record.View(), height: record.Height(), entry: epochState.Entry(), store: store,
		phase: epochState.EpochPhase(), pending: record.Parent.pending(),
	}
	emissions, err := n.emitEpochEvents(x)
	if err != nil {
		return nil, err
	}
	emissions = append(emissions, n.emitEjections(x)...)
	emissions = append(emissions, n.emitUpgrades(x)...)
	emissions = append(emissions, n.emitSettings(x)...)
	n.makeOdd(emissions)
	if n.random.Chance(n.config.Rates.Shuffle) && x.orderIsFree(emissions) {
		emissions = shuffled(n.random, emissions)
	}
	return emissions, nil
}

// orderIsFree says whether the events of one block may be put in another order.
func (x *execution) orderIsFree(emissions []Emission) bool {
	epochEvents := 0
	for _, emission := range emissions {
		switch emission.Event.Type {
		case flow.ServiceEventSetup, flow.ServiceEventCommit, flow.ServiceEventRecover:
			epochEvents++
		}
	}
	return epochEvents < 2
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

// emitEpochEvents emits the event that is due in the epoch's phase, or a stray one.
//
// flow-go cannot finalize a block that leads from the staking phase right to the
// committed one. So no commit is emitted while a setup awaits its seal, and no valid
// recovery in the staking phase.
func (n *Network) emitEpochEvents(x *execution) ([]Emission, error) {
	rates := n.config.Rates
	switch x.phase {
	case flow.EpochPhaseStaking:
		if !x.awaits(flow.ServiceEventSetup) && n.random.Chance(rates.Setup) {
			return n.emitSetup(x)
		}
	case flow.EpochPhaseSetup:
		if !x.awaits(flow.ServiceEventCommit) && n.random.Chance(rates.Commit) {
			return n.emitCommit(x)
		}
	case flow.EpochPhaseFallback:
		if !x.awaits(flow.ServiceEventRecover) && n.random.Chance(rates.Recover) {
			return n.emitRecover(x)
		}
	}
	if n.random.Chance(rates.Stray) {
		return n.emitStray(x)
	}
	return nil, nil
}

// emitSetup emits the setup of the next epoch, now and then a flawed one.
func (n *Network) emitSetup(x *execution) ([]Emission, error) {
	setup, err := n.nextSetup(x)
	if err != nil {
		return nil, err
	}
	if n.random.Chance(n.config.Rates.Flaw) {
		flawed, flaw := n.flawSetup(x, setup)
		return []Emission{{"EpochSetup, " + flaw, flawed.ServiceEvent()}}, nil
	}
	return []Emission{{"EpochSetup", setup.ServiceEvent()}}, nil
}

// emitCommit emits the commit of the epoch that was set up, now and then a flawed one.
func (n *Network) emitCommit(x *execution) ([]Emission, error) {
	commit, err := n.nextCommit(x.entry.NextEpochSetup)
	if err != nil {
		return nil, err
	}
	if n.random.Chance(n.config.Rates.Flaw) {
		flawed, flaw, err := n.flawCommit(x.entry.NextEpochSetup, commit)
		if err != nil {
			return nil, err
		}
		return []Emission{{"EpochCommit, " + flaw, flawed.ServiceEvent()}}, nil
	}
	return []Emission{{"EpochCommit", commit.ServiceEvent()}}, nil
}

// emitRecover emits recoveries that set up and commit the next epoch at once, most
// often one. Of several valid ones in a block, the first counts.
func (n *Network) emitRecover(x *execution) ([]Emission, error) {
	var emissions []Emission
	for range pick(n.random, []int{1, 1, 1, 1, 2}) {
		setup, err := n.nextSetup(x)
		if err != nil {
			return nil, err
		}
		beacon, err := n.recoveryBeacon(setup, x.entry.CurrentEpochCommit)
		if err != nil {
			return nil, err
		}
		commit, err := n.newCommit(setup, beacon)
		if err != nil {
			return nil, err
		}
		name := "EpochRecover"
		// A recovery is flawed more often: no harm is done, the network tries again.
		if n.random.Chance(min(0.5, 2*n.config.Rates.Flaw)) {
			var flaw string
			setup, commit, flaw, err = n.flawRecover(x, setup, commit)
			if err != nil {
				return nil, err
			}
			name += ", " + flaw
		}
		recovery := &flow.EpochRecover{EpochSetup: *setup, EpochCommit: *commit}
		emissions = append(emissions, Emission{name, recovery.ServiceEvent()})
	}
	return emissions, nil
}

// emitStray emits an epoch event that is not due.
func (n *Network) emitStray(x *execution) ([]Emission, error) {
	kind := n.random.IntN(3)
	var emissions []Emission
	var err error
	switch {
	case kind == 0 && x.phase != flow.EpochPhaseStaking:
		emissions, err = n.emitSetup(x)
	case kind == 1 && !x.awaits(flow.ServiceEventSetup):
		setup := x.entry.CurrentEpochSetup
		if x.entry.NextEpochSetup != nil {
			setup = x.entry.NextEpochSetup
		}
		var commit *flow.EpochCommit
		commit, err = n.nextCommit(setup)
		if err == nil {
			emissions = []Emission{{"EpochCommit", commit.ServiceEvent()}}
		}
	case kind == 2 && x.phase != flow.EpochPhaseStaking:
		emissions, err = n.emitRecover(x)
	}
	for i := range emissions {
		emissions[i].Name += ", not due"
	}
	return emissions, err
}

// nextSetup sets up the epoch after the current one.
func (n *Network) nextSetup(x *execution) (*flow.EpochSetup, error) {
	ejected := func(id flow.Identifier) bool { return isEjected(x.entry.CurrentEpoch, id) }
	participants, err := n.nextParticipants(x.entry.CurrentEpochSetup.Participants, ejected)
	if err != nil {
		return nil, err
	}
	firstView := x.entry.CurrentEpochFinalView() + 1
	setup := n.newSetup(x.entry.EpochCounter()+1, firstView, firstView+n.config.EpochViews-1, participants)
	if n.random.Chance(n.config.Rates.Flaw / 2) {
		// Odd but valid: flow-go looks at the DKG's views only when a node makes a setup.
		setup.DKGPhase1FinalView, setup.DKGPhase3FinalView = setup.DKGPhase3FinalView, setup.DKGPhase1FinalView
	}
	return setup, nil
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

// isEjected says whether a node is marked as ejected in an epoch.
func isEjected(epoch flow.EpochStateContainer, id flow.Identifier) bool {
	identity, found := epoch.ActiveIdentities.ByNodeID(id)
	return found && identity.Ejected
}
