package network

import (
	"errors"
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// Step makes the next block, somewhere in the tree, and extends flow-go's state with it.
// An error means that flow-go refused it.
func (n *Network) Step() (*Record, error) {
	parent, view, err := n.drawPosition()
	if err != nil {
		return nil, err
	}
	proposal, err := n.Candidate(parent.ID, view)
	if err != nil {
		return nil, fmt.Errorf("could not make a block at view %d: %w", view, err)
	}
	return n.Add(proposal)
}

// Add takes a proposal in: flow-go checks it, the committee certifies it, execution
// nodes execute it, and flow-go's forks may finalize ancestors.
func (n *Network) Add(proposal *flow.Proposal) (*Record, error) {
	block := &proposal.Block
	parent, err := n.Record(block.ParentID)
	if err != nil {
		return nil, err
	}
	if err := n.State.Check(proposal); err != nil {
		return nil, fmt.Errorf("block at height %d, view %d: %w", block.Height, block.View, err)
	}
	record := &Record{ID: block.ID(), Proposal: proposal, Parent: parent, LastSealed: n.lastSealed(parent, block)}
	record.QC, err = n.drawQC(block.View, record.ID)
	if err != nil {
		return nil, err
	}
	record.Emissions, err = n.emit(record)
	if err != nil {
		return nil, fmt.Errorf("could not execute block at height %d: %w", block.Height, err)
	}
	var events flow.ServiceEventList
	for _, emission := range record.Emissions {
		events = append(events, emission.Event)
	}
	record.Result, err = n.execute(record, events, "")
	if err != nil {
		return nil, err
	}
	n.keep(record)
	n.lockedView = max(n.lockedView, parent.View())
	return record, n.advance(block)
}

// lastSealed returns the highest block sealed as of a child of the parent.
func (n *Network) lastSealed(parent *Record, block *flow.Block) *Record {
	last := parent.LastSealed
	for _, seal := range block.Payload.Seals {
		if sealed := n.byID[seal.BlockID]; sealed.Height() > last.Height() {
			last = sealed
		}
	}
	return last
}

// advance finalizes what flow-go's forks finalize on seeing a block.
func (n *Network) advance(block *flow.Block) error {
	latest, err := n.State.Advance(block)
	if err != nil {
		return fmt.Errorf("block at height %d, view %d: %w", block.Height, block.View, err)
	}
	n.finalized, err = n.Record(latest)
	if err != nil {
		return err
	}
	for at := n.finalized; !at.Finalized; at = at.Parent {
		at.Finalized = true
	}
	return nil
}

// drawPosition draws the parent and the view of the next block.
//
// Safety rules bind it: without a timeout, a block extends the newest one; after a
// timeout, it extends any block that the replicas' locks allow. Since all blocks are
// certified, that is any block not older than the newest parent of a block.
func (n *Network) drawPosition() (*Record, uint64, error) {
	newest := n.Newest()
	view := newest.View() + 1
	known, err := n.knownViews()
	if err != nil {
		return nil, 0, err
	}
	room := int64(known) - int64(view) - straightViews
	behind := newest.Height() - n.finalized.Height()
	if room <= 0 || behind > unfinalizedBlocks {
		// A committee is known only once its epoch's commit, or extension, is final.
		return newest, view, nil
	}
	timedOut := 0
	switch {
	case n.random.Chance(n.config.Rates.LongTimeout):
		timedOut = n.random.Between(10, 26)
	case n.random.Chance(n.config.Rates.Timeout):
		timedOut = pick(n.random, timeouts)
	}
	if timedOut == 0 || int64(timedOut) > room {
		return newest, view, nil
	}
	view += uint64(timedOut)
	if !n.random.Chance(n.config.Rates.Fork) {
		return newest, view, nil
	}
	var allowed []*Record
	for _, record := range n.Records {
		if record.View() >= n.lockedView {
			allowed = append(allowed, record)
		}
	}
	return pick(n.random, allowed), view, nil
}

// knownViews returns the last view whose committee is known as of the finalized block.
func (n *Network) knownViews() (uint64, error) {
	epochs := n.State.State.Final().Epochs()
	next, err := epochs.NextCommitted()
	if err == nil {
		return next.FinalView(), nil
	}
	if !errors.Is(err, protocol.ErrNextEpochNotCommitted) {
		return 0, fmt.Errorf("no next epoch: %w", err)
	}
	current, err := epochs.Current()
	if err != nil {
		return 0, fmt.Errorf("no current epoch: %w", err)
	}
	return current.FinalView(), nil
}

// timeouts are how many views time out in a row, when they do.
var timeouts = []int{1, 1, 1, 2, 3, 5}

const (
	// straightViews are kept free of timeouts before the last known view, so that
	// finality gets there before the chain does.
	straightViews = 12
	// unfinalizedBlocks is how far finality may fall behind before no view times out.
	unfinalizedBlocks = 9
)
