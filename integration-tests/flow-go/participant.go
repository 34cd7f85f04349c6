package main

import (
	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
	"github.com/weir-flow/weir/integration-tests/flow-go/node"
)

// participant is a consensus node that gets the blocks of a folder. It refuses blocks that conflict with
// what it finalized, so a block is finalized only behind the last one that does not descend from it.
type participant struct {
	node *node.Node
	// due are the blocks to finalize behind the block with an index.
	due      map[int][]flow.Identifier
	compared comparison
}

func newParticipant(chain *folder.Chain) (*participant, error) {
	alpha := chain.Scenario.ChunkAlpha
	if alpha == 0 {
		alpha = flow.DefaultChunkAssignmentAlpha
	}
	made, err := node.NewParticipant(chain.Root, node.OneApproval, alpha)
	if err != nil {
		return nil, err
	}
	return &participant{node: made, due: finalizable(chain), compared: comparison{}}, nil
}

// extend adds the block with an index, compares what comes of it, and finalizes what is due.
func (participant *participant) extend(chain *folder.Chain, index int) error {
	proposal := chain.Proposal(index)
	if err := participant.node.Extend(proposal); err != nil {
		return err
	}
	snapshot := participant.node.State.AtBlockID(proposal.Block.ID())
	if err := participant.compared.block(chain, index, snapshot); err != nil {
		return err
	}
	for _, id := range participant.due[index] {
		if err := participant.node.MakeFinal(id); err != nil {
			return err
		}
	}
	return nil
}

// finalizable says behind which block of the folder each finalized block no longer conflicts with one that
// is still to come.
func finalizable(chain *folder.Chain) map[int][]flow.Identifier {
	final := map[flow.Identifier]bool{chain.Blocks[0].ID(): true}
	for index, block := range chain.Blocks {
		if chain.Expected[index].Finalized {
			final[block.ID()] = true
		}
	}
	// The height of the highest finalized ancestor of each block: what is above conflicts with it.
	branch := map[flow.Identifier]uint64{}
	conflicts := map[uint64]int{}
	top := chain.Blocks[0].Height
	for index, block := range chain.Blocks {
		id := block.ID()
		if final[id] {
			branch[id] = block.Height
			conflicts[block.Height] = max(conflicts[block.Height], index)
			top = max(top, block.Height)
			continue
		}
		branch[id] = branch[block.ParentID]
		conflicts[branch[id]+1] = max(conflicts[branch[id]+1], index)
	}
	due := map[int][]flow.Identifier{}
	ready := 0
	byHeight := map[uint64]flow.Identifier{}
	for _, block := range chain.Blocks {
		if final[block.ID()] {
			byHeight[block.Height] = block.ID()
		}
	}
	for height := chain.Blocks[0].Height + 1; height <= top; height++ {
		ready = max(ready, conflicts[height])
		due[ready] = append(due[ready], byHeight[height])
	}
	return due
}
