package node

import (
	"github.com/onflow/flow-go/consensus/hotstuff/forks"
	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/consensus/hotstuff/notifications"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// Finality is what HotStuff's forks finalize of the headers alone.
type Finality struct {
	forks  *forks.Forks
	latest flow.Identifier
}

// NewFinality begins at a snapshot's head.
func NewFinality(root protocol.Snapshot) (*Finality, error) {
	head, err := root.Head()
	if err != nil {
		return nil, err
	}
	qc, err := root.QuorumCertificate()
	if err != nil {
		return nil, err
	}
	block := model.GenesisBlockFromFlow(head)
	if head.ParentVoterIndices != nil {
		block = model.BlockFromFlow(head)
	}
	certified, err := model.NewCertifiedBlock(block, qc)
	if err != nil {
		return nil, err
	}
	finality := &Finality{latest: head.ID()}
	finality.forks, err = forks.New(&certified, finality, notifications.NewNoopConsumer())
	return finality, err
}

// Add adds a block whose parent was added before, and returns the latest finalized block. The certificate
// in the block is what it shows of its parent; nothing is assumed of certificates that no block has.
func (finality *Finality) Add(block *flow.Block) (flow.Identifier, error) {
	err := finality.forks.AddValidatedBlock(model.BlockFromFlow(block.ToHeader()))
	return finality.latest, err
}

// MakeFinal takes note of a finalized block; the forks call it.
func (finality *Finality) MakeFinal(blockID flow.Identifier) error {
	finality.latest = blockID
	return nil
}

// Latest returns the latest finalized block.
func (finality *Finality) Latest() flow.Identifier {
	return finality.latest
}
