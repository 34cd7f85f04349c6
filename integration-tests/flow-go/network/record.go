package network

import (
	"github.com/onflow/flow-go/model/flow"
)

// Record is a block of the network with what became of it.
type Record struct {
	ID       flow.Identifier
	Proposal *flow.Proposal
	Parent   *Record
	// QC certifies the block. Children may carry another certificate of it.
	QC *flow.QuorumCertificate
	// Result is what correct execution of the block gives.
	Result *flow.ExecutionResult
	// Emissions are the service events of that result, and what each is meant to be.
	Emissions []Emission
	// LastSealed is the highest block sealed as of this block.
	LastSealed *Record
	// Finalized says that flow-go's forks finalized the block.
	Finalized bool

	children int
	// conflicting is a wrong result of the block, if one was made.
	conflicting *flow.ExecutionResult
}

// Emission is a service event with a name for the story.
type Emission struct {
	Name  string
	Event flow.ServiceEvent
}

// Block is the record's block.
func (r *Record) Block() *flow.Block { return &r.Proposal.Block }

// View is the block's view.
func (r *Record) View() uint64 { return r.Proposal.Block.View }

// Height is the block's height.
func (r *Record) Height() uint64 { return r.Proposal.Block.Height }

// unsealed returns the block and its ancestors that are not sealed as of it, lowest first.
func (r *Record) unsealed() []*Record {
	path := make([]*Record, r.Height()-r.LastSealed.Height())
	for at, i := r, len(path)-1; i >= 0; at, i = at.Parent, i-1 {
		path[i] = at
	}
	return path
}

// pending returns the service events that ancestors emitted and that are not yet
// sealed as of this block.
func (r *Record) pending() []flow.ServiceEvent {
	var events []flow.ServiceEvent
	for _, ancestor := range r.unsealed() {
		for _, emission := range ancestor.Emissions {
			events = append(events, emission.Event)
		}
	}
	return events
}

// ancestor returns the ancestor so many generations up, or the root if there are not so many.
func (r *Record) ancestor(generations int) *Record {
	at := r
	for ; generations > 0 && at.Parent != nil; generations-- {
		at = at.Parent
	}
	return at
}
