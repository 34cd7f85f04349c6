package node

import (
	"github.com/onflow/flow-go/consensus/hotstuff"
	"github.com/onflow/flow-go/consensus/hotstuff/committees"
	"github.com/onflow/flow-go/consensus/hotstuff/validator"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// rules are HotStuff's rules for the epochs that the latest finalized block knows.
type rules struct {
	committee *committees.Consensus
	validator hotstuff.Validator
	// epochs says for which epochs the committee was made.
	epochs epochs
}

// epochs are what the committee depends on: a new value wants a new committee.
type epochs struct {
	current, finalView uint64
	nextCommitted      bool
}

// Committee returns the consensus committee with its leader selection.
func (node *Node) Committee() (*committees.Consensus, error) {
	rules, err := node.consensus()
	if err != nil {
		return nil, err
	}
	return rules.committee, nil
}

// consensus makes the rules at their first use. In flow-go events keep the committee up to date, on a
// thread of its own; here it is made anew when the epochs change, so that nothing has to be waited for.
func (node *Node) consensus() (*rules, error) {
	if node.rules != nil {
		return node.rules, nil
	}
	known, err := node.epochs(node.State.Final())
	if err != nil {
		return nil, err
	}
	committee, err := committees.NewConsensusCommittee(node.State, flow.ZeroID)
	if err != nil {
		return nil, err
	}
	node.rules = &rules{
		committee: committee, validator: validator.New(committee, node.verifier(committee)), epochs: known,
	}
	return node.rules, nil
}

// refresh forgets the rules when the finalized block's epochs are others.
func (node *Node) refresh(finalized flow.Identifier) error {
	if node.rules == nil {
		return nil
	}
	known, err := node.epochs(node.State.AtBlockID(finalized))
	if err != nil {
		return err
	}
	if known != node.rules.epochs {
		node.rules = nil
	}
	return nil
}

func (node *Node) epochs(snapshot protocol.Snapshot) (epochs, error) {
	state, err := snapshot.EpochProtocolState()
	if err != nil {
		return epochs{}, err
	}
	current, err := snapshot.Epochs().Current()
	if err != nil {
		return epochs{}, err
	}
	return epochs{
		current:       state.Epoch(),
		finalView:     current.FinalView(),
		nextCommitted: state.EpochPhase() == flow.EpochPhaseCommitted,
	}, nil
}
