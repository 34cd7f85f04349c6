package network

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
	protocol_state "github.com/onflow/flow-go/state/protocol/protocol_state/state"

	"github.com/weir-flow/weir/integration-tests/flow-go/node"
)

// State is the consensus participant that checks the network's blocks.
type State struct {
	*node.Node
	finality *node.Finality
	mutable  protocol.MutableProtocolState
}

// newState boots a participant from a root snapshot. It wants an approval of every
// chunk: in this network there are no emergencies.
func newState(root protocol.Snapshot) (*State, error) {
	participant, err := node.NewParticipant(root, node.OneApproval, flow.DefaultChunkAssignmentAlpha)
	if err != nil {
		return nil, fmt.Errorf("could not start participant: %w", err)
	}
	finality, err := node.NewFinality(root)
	if err != nil {
		return nil, fmt.Errorf("could not start forks: %w", err)
	}
	all := participant.Storage
	mutable := protocol_state.NewMutableProtocolState(zerolog.Nop(),
		all.EpochProtocolStateEntries, all.ProtocolKVStore, participant.State.Params(),
		all.Headers, all.Results, all.EpochSetups, all.EpochCommits)
	return &State{Node: participant, finality: finality, mutable: mutable}, nil
}

// At returns flow-go's snapshot of the protocol state at a block.
func (s *State) At(blockID flow.Identifier) protocol.Snapshot {
	return s.State.AtBlockID(blockID)
}

// Check puts a proposal to all of flow-go's checks and, if it passes, into the
// database, as a consensus node does before it votes.
func (s *State) Check(proposal *flow.Proposal) error {
	validator, err := s.Validator()
	if err != nil {
		return fmt.Errorf("no HotStuff validator: %w", err)
	}
	if err := validator.ValidateProposal(model.SignedProposalFromBlock(proposal)); err != nil {
		return fmt.Errorf("HotStuff validator refused: %w", err)
	}
	if err := s.Extend(proposal); err != nil {
		return fmt.Errorf("participant state refused: %w", err)
	}
	return nil
}

// Advance tells flow-go's forks of a block that passed, and finalizes what they say is
// final. It returns the latest finalized block.
func (s *State) Advance(block *flow.Block) (flow.Identifier, error) {
	before, err := s.State.Final().Head()
	if err != nil {
		return flow.ZeroID, fmt.Errorf("no finalized block: %w", err)
	}
	latest, err := s.finality.Add(block)
	if err != nil {
		return latest, fmt.Errorf("forks refused: %w", err)
	}
	if latest == before.ID() {
		return latest, nil
	}
	if err := s.MakeFinal(latest); err != nil {
		return latest, fmt.Errorf("could not finalize block %v: %w", latest, err)
	}
	return latest, nil
}
