package node

import (
	"github.com/onflow/flow-go/consensus/hotstuff"
	"github.com/onflow/flow-go/consensus/hotstuff/committees"
	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/consensus/hotstuff/validator"
	"github.com/onflow/flow-go/model/flow"
)

// ValidateFromAnybody validates a proposal by all of HotStuff's rules but those on its proposer: who leads the
// view, and the signature. The reference chains need it, whose proposers were drawn at random and did not sign,
// and so do messages of the Access API, which carry no proposer's signature.
func (node *Node) ValidateFromAnybody(proposal *model.SignedProposal) error {
	committee, err := node.Committee()
	if err != nil {
		return err
	}
	anybody := anyLeader{Consensus: committee, proposer: proposal.Block.ProposerID}
	return validator.New(anybody, anyVote{Verifier: node.verifier(anybody)}).ValidateProposal(proposal)
}

// anyLeader is a committee in which the proposer leads.
type anyLeader struct {
	*committees.Consensus
	proposer flow.Identifier
}

// LeaderForView returns the proposer.
func (committee anyLeader) LeaderForView(uint64) (flow.Identifier, error) {
	return committee.proposer, nil
}

// IdentityByEpoch returns a member for the proposer, whoever it is, of an epoch that is known.
func (committee anyLeader) IdentityByEpoch(view uint64, id flow.Identifier) (*flow.IdentitySkeleton, error) {
	if id == committee.proposer {
		if _, err := committee.IdentitiesByEpoch(view); err != nil {
			return nil, err
		}
		return &flow.IdentitySkeleton{NodeID: id}, nil
	}
	return committee.Consensus.IdentityByEpoch(view, id)
}

// anyVote takes every vote.
type anyVote struct {
	hotstuff.Verifier
}

// VerifyVote accepts.
func (anyVote) VerifyVote(*flow.IdentitySkeleton, []byte, uint64, flow.Identifier) error {
	return nil
}
