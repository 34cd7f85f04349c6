package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/storage/deferred"
)

// Candidate makes a valid child of a known block at a view, and extends nothing.
// The view must be above the parent's.
func (n *Network) Candidate(parentID flow.Identifier, view uint64) (*flow.Proposal, error) {
	parent, err := n.Record(parentID)
	if err != nil {
		return nil, err
	}
	block, err := n.Unsigned(parent, view)
	if err != nil {
		return nil, err
	}
	return n.Propose(*block)
}

// Unsigned makes the header and payload of a child of the parent at a view. The
// payload's hash is part of neither: flow-go derives it.
func (n *Network) Unsigned(parent *Record, view uint64) (*flow.Block, error) {
	payload, err := n.drawPayload(parent)
	if err != nil {
		return nil, fmt.Errorf("could not build payload: %w", err)
	}
	payload.ProtocolStateID, err = n.ProtocolStateID(parent.ID, view, payload.Seals)
	if err != nil {
		return nil, err
	}
	qc, err := n.parentQC(parent)
	if err != nil {
		return nil, err
	}
	leader, err := n.Leader(view)
	if err != nil {
		return nil, err
	}
	var lastViewTC *flow.TimeoutCertificate
	if view > parent.View()+1 {
		lastViewTC, err = n.drawTC(view-1, parent)
		if err != nil {
			return nil, err
		}
	}
	return &flow.Block{
		HeaderBody: flow.HeaderBody{
			ChainID:            parent.Block().ChainID,
			ParentID:           parent.ID,
			Height:             parent.Height() + 1,
			Timestamp:          parent.Block().Timestamp + uint64(n.random.Between(1, maxBlockInterval)),
			View:               view,
			ParentView:         parent.View(),
			ParentVoterIndices: qc.SignerIndices,
			ParentVoterSigData: qc.SigData,
			ProposerID:         leader,
			LastViewTC:         lastViewTC,
		},
		Payload: payload,
	}, nil
}

// ProtocolStateID computes the protocol state that a child of a block commits to.
func (n *Network) ProtocolStateID(parentID flow.Identifier, view uint64, seals []*flow.Seal) (flow.Identifier, error) {
	id, err := n.State.mutable.EvolveState(deferred.NewDeferredBlockPersist(), parentID, view, seals)
	if err != nil {
		return id, fmt.Errorf("could not evolve protocol state: %w", err)
	}
	return id, nil
}

// Propose signs a block as its proposer.
func (n *Network) Propose(block flow.Block) (*flow.Proposal, error) {
	committee, err := n.Committee(block.View)
	if err != nil {
		return nil, err
	}
	sigData, err := n.Vote(committee, block.ProposerID, block.View, block.ID())
	if err != nil {
		return nil, err
	}
	return flow.NewProposal(flow.UntrustedProposal{Block: block, ProposerSigData: sigData})
}

// parentQC returns the certificate that a child carries. A second child may carry one of
// other signers: then another leader collected the votes.
func (n *Network) parentQC(parent *Record) (*flow.QuorumCertificate, error) {
	if parent.children == 0 || parent.Parent == nil || !n.random.Chance(n.config.Rates.AnotherQC) {
		return parent.QC, nil
	}
	return n.drawQC(parent.View(), parent.ID)
}

// drawQC makes a certificate of a block by signers drawn from its committee.
func (n *Network) drawQC(view uint64, blockID flow.Identifier) (*flow.QuorumCertificate, error) {
	committee, err := n.Committee(view)
	if err != nil {
		return nil, err
	}
	return n.QC(committee, n.DrawSigners(committee), view, blockID)
}

// drawTC makes the certificate of a view that timed out, for a block that extends the
// parent. The replicas know certificates of different views: the newest of them is not
// newer than the parent's, which the leader may have learnt later.
func (n *Network) drawTC(view uint64, parent *Record) (*flow.TimeoutCertificate, error) {
	committee, err := n.Committee(view)
	if err != nil {
		return nil, err
	}
	var known []*Record
	for _, record := range n.Records {
		if record.View() >= n.lockedView && record.View() <= parent.View() {
			known = append(known, record)
		}
	}
	newest := parent
	if n.random.Chance(0.2) {
		newest = pick(n.random, known)
	}
	signers := n.DrawSigners(committee)
	timeouts := make([]Timeout, 0, len(signers))
	informed := n.random.IntN(len(signers)) // at least one replica knows the newest
	for index, signerID := range signers {
		timeout := Timeout{SignerID: signerID, NewestQCView: newest.View()}
		if index != informed && n.random.Chance(0.4) {
			if other := pick(n.random, n.Records[max(len(n.Records)-8, 0):]); other.View() < newest.View() {
				timeout.NewestQCView = other.View()
			}
		}
		timeouts = append(timeouts, timeout)
	}
	return n.TC(committee, view, newest.QC, timeouts)
}

// maxBlockInterval is the most that a block's time may be after its parent's, in
// milliseconds: the default of cmd/consensus. The least is one.
const maxBlockInterval = 90_000
