package judge

import (
	"fmt"

	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
	"github.com/weir-flow/weir/integration-tests/flow-go/network"
	"github.com/weir-flow/weir/integration-tests/flow-go/node"
)

// verdict is what flow-go's two kinds of nodes say of a block; nil accepts.
type verdict struct {
	// participant is a consensus node's: it decides whether an honest committee certifies the block.
	participant error
	// follower is another node's, on the assumption that the block is certified. It leaves out who leads the view
	// and the proposer's signature, which messages of the Access API do not carry.
	follower error
}

// flowGo is both kinds of nodes, with all blocks of a network.
type flowGo struct {
	network  *network.Network
	follower *node.Node
	final    flow.Identifier
}

func newFlowGo(network *network.Network) (*flowGo, error) {
	follower, err := node.NewFollower(network.Root)
	if err != nil {
		return nil, err
	}
	follower.RememberQCs()
	network.State.RememberQCs()
	return &flowGo{network: network, follower: follower, final: network.Finalized().ID}, nil
}

// take gives a block of the network to the follower; the participant has it already.
func (flowGo *flowGo) take(record *network.Record) error {
	if err := flowGo.follower.ExtendCertified(record.Proposal, record.QC); err != nil {
		return err
	}
	if final := flowGo.network.Finalized().ID; final != flowGo.final {
		flowGo.final = final
		return flowGo.follower.MakeFinal(final)
	}
	return nil
}

// judge asks both nodes for their verdicts of a message.
func (flowGo *flowGo) judge(message []byte) verdict {
	block, err := decode(message)
	if err != nil {
		return verdict{participant: err, follower: err}
	}
	refused := network.Guarded(func() error { return flowGo.participate(block) })
	if refused == nil {
		// Its committee certifies it, so nothing depends on what a follower says.
		return verdict{}
	}
	return verdict{participant: refused, follower: network.Guarded(func() error { return flowGo.follow(block) })}
}

func (flowGo *flowGo) participate(block *flow.Block) error {
	proposal, err := flowGo.network.Propose(*block)
	if err != nil {
		return fmt.Errorf("nobody can propose it: %w", err)
	}
	return flowGo.network.State.Try(func() error { return flowGo.network.State.Check(proposal) })
}

func (flowGo *flowGo) follow(block *flow.Block) error {
	id := block.ID()
	proposal := &flow.Proposal{Block: *block, ProposerSigData: []byte{0}}
	if err := flowGo.follower.ValidateFromAnybody(model.SignedProposalFromBlock(proposal)); err != nil {
		return err
	}
	qc := &flow.QuorumCertificate{View: block.View, BlockID: id, SignerIndices: []byte{0}, SigData: []byte{0}}
	return flowGo.follower.Try(func() error { return flowGo.follower.ExtendCertified(proposal, qc) })
}

// encode writes a block as a full block response carries it. flow-go panics for what it cannot write.
func encode(block *flow.Block) (message []byte, err error) {
	err = network.Guarded(func() (err error) {
		message, err = folder.Message(block, nil)
		return err
	})
	return message, err
}

func decode(message []byte) (block *flow.Block, err error) {
	err = network.Guarded(func() (err error) {
		block, err = folder.Block(message)
		return err
	})
	return block, err
}
