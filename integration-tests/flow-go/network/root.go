package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/chunks"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
	"github.com/onflow/flow-go/state/protocol/inmem"
	"github.com/onflow/flow-go/state/protocol/protocol_state"
	"github.com/onflow/flow-go/state/protocol/protocol_state/kvstore"
)

// makeRoot makes the root epoch, the root block and the snapshot of it, as
// cmd/bootstrap does for a spork.
func (n *Network) makeRoot() (*Record, error) {
	participants, err := n.rootParticipants()
	if err != nil {
		return nil, err
	}
	view := n.config.RootView
	setup := n.newSetup(rootEpochCounter, view, view+n.config.EpochViews-1, participants)
	beacon, err := n.epochBeacon(setup)
	if err != nil {
		return nil, err
	}
	commit, err := n.newCommit(setup, beacon)
	if err != nil {
		return nil, err
	}
	block, err := n.rootBlock(setup, commit)
	if err != nil {
		return nil, err
	}
	committee := &Committee{Members: setup.Participants.Filter(filter.IsConsensusCommitteeMember), Beacon: beacon}
	qc, err := n.QC(committee, n.DrawSigners(committee), block.View, block.ID())
	if err != nil {
		return nil, err
	}
	result, seal, err := n.rootResult(block, setup, commit)
	if err != nil {
		return nil, err
	}
	n.Root, err = inmem.SnapshotFromBootstrapStateWithParams(block, result, seal, qc, n.rootKVStore)
	if err != nil {
		return nil, fmt.Errorf("could not build root snapshot: %w", err)
	}
	proposal, err := flow.NewRootProposal(flow.UntrustedProposal{Block: *block})
	if err != nil {
		return nil, fmt.Errorf("could not build root proposal: %w", err)
	}
	emissions := []Emission{{"root EpochSetup", setup.ServiceEvent()}, {"root EpochCommit", commit.ServiceEvent()}}
	return &Record{ID: block.ID(), Proposal: proposal, QC: qc, Result: result, Emissions: emissions}, nil
}

func (n *Network) rootBlock(setup *flow.EpochSetup, commit *flow.EpochCommit) (*flow.Block, error) {
	epochState, err := inmem.EpochProtocolStateFromServiceEvents(setup, commit)
	if err != nil {
		return nil, fmt.Errorf("could not build epoch state: %w", err)
	}
	store, err := n.rootKVStore(epochState.ID())
	if err != nil {
		return nil, fmt.Errorf("could not build key-value store: %w", err)
	}
	return flow.NewRootBlock(flow.UntrustedBlock{
		HeaderBody: flow.HeaderBody{
			ChainID:   flow.Localnet,
			ParentID:  n.random.Identifier(), // the last block of the spork before
			Height:    n.config.RootHeight,
			Timestamp: rootTimestamp,
			View:      n.config.RootView,
		},
		Payload: flow.Payload{ProtocolStateID: store.ID()},
	})
}

func (n *Network) rootKVStore(epochStateID flow.Identifier) (protocol_state.KVStoreAPI, error) {
	return kvstore.NewKVStore(n.config.ProtocolStateVersion, n.config.FinalizationSafetyThreshold,
		n.config.EpochExtensionViewCount, epochStateID)
}

func (n *Network) rootResult(block *flow.Block, setup *flow.EpochSetup, commit *flow.EpochCommit) (*flow.ExecutionResult, *flow.Seal, error) {
	state := flow.StateCommitment(outcome(block.ID(), "root state", 0))
	result, err := flow.NewRootExecutionResult(flow.UntrustedExecutionResult{
		BlockID:       block.ID(),
		Chunks:        chunks.ChunkListFromCommit(state),
		ServiceEvents: flow.ServiceEventList{setup.ServiceEvent(), commit.ServiceEvent()},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("could not build root result: %w", err)
	}
	seal, err := flow.NewSeal(flow.UntrustedSeal{BlockID: block.ID(), ResultID: result.ID(), FinalState: state})
	if err != nil {
		return nil, nil, fmt.Errorf("could not build root seal: %w", err)
	}
	return result, seal, nil
}

const (
	// rootEpochCounter is not zero, so that nothing can take a missing counter for it.
	rootEpochCounter = 7
	// rootTimestamp is the first of January 2026, in milliseconds since 1970.
	rootTimestamp = 1_767_225_600_000
)
