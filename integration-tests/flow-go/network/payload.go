package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
)

// draft is a payload in the making, and what its fork already has.
type draft struct {
	payload flow.Payload
	parent  *Record
	// path are the blocks that are not sealed as of the parent, lowest first.
	path []*Record
	// incorporated says which block of the path holds a result.
	incorporated map[flow.Identifier]*Record
	receipts     map[flow.Identifier]bool
}

func newDraft(parent *Record) *draft {
	d := &draft{
		parent:       parent,
		path:         parent.unsealed(),
		incorporated: make(map[flow.Identifier]*Record),
		receipts:     make(map[flow.Identifier]bool),
	}
	for _, record := range d.path {
		for _, result := range record.Block().Payload.Results {
			d.incorporated[result.ID()] = record
		}
		for _, receipt := range record.Block().Payload.Receipts {
			d.receipts[receipt.ID()] = true
		}
	}
	return d
}

// drawPayload makes a payload for a child of the parent, all but its protocol state ID.
func (n *Network) drawPayload(parent *Record) (flow.Payload, error) {
	d := newDraft(parent)
	if err := n.addGuarantees(d); err != nil {
		return d.payload, err
	}
	if err := n.addResults(d); err != nil {
		return d.payload, err
	}
	if err := n.addSeals(d); err != nil {
		return d.payload, err
	}
	if n.random.Chance(n.config.Rates.Shuffle) {
		d.payload.Seals = shuffled(n.random, d.payload.Seals)
		d.payload.Receipts = shuffled(n.random, d.payload.Receipts)
		d.payload.Guarantees = shuffled(n.random, d.payload.Guarantees)
	}
	return d.payload, nil
}

// addGuarantees adds guarantees of new collections, and of some that other forks have.
func (n *Network) addGuarantees(d *draft) error {
	onFork := make(map[flow.Identifier]bool)
	for at := d.parent; at != nil; at = at.Parent {
		for _, guarantee := range at.Block().Payload.Guarantees {
			onFork[guarantee.CollectionID] = true
		}
	}
	for _, guarantee := range n.recentGuarantees {
		reference := n.byID[guarantee.ReferenceBlockID]
		known := d.parent.Height() >= reference.Height() &&
			d.parent.ancestor(int(d.parent.Height()-reference.Height())) == reference
		if known && !onFork[guarantee.CollectionID] && n.random.Chance(0.5) {
			d.payload.Guarantees = append(d.payload.Guarantees, guarantee)
		}
	}
	for range pick(n.random, newGuarantees) {
		guarantee, err := n.drawGuarantee(d.parent.ancestor(n.random.Between(0, 12)))
		if err != nil {
			return err
		}
		d.payload.Guarantees = append(d.payload.Guarantees, guarantee)
		n.recentGuarantees = append(n.recentGuarantees, guarantee)
	}
	if excess := len(n.recentGuarantees) - recentGuarantees; excess > 0 {
		n.recentGuarantees = n.recentGuarantees[excess:]
	}
	return nil
}

// addResults adds receipts, with the results that no ancestor holds yet.
func (n *Network) addResults(d *draft) error {
	connected := map[flow.Identifier]bool{d.parent.LastSealed.Result.ID(): true}
	for _, record := range d.path {
		resultID := record.Result.ID()
		if !connected[record.Result.PreviousResultID] {
			return nil
		}
		executors, err := n.executors(record)
		if err != nil {
			return err
		}
		if d.incorporated[resultID] != nil {
			connected[resultID] = true
			if n.random.Chance(0.1) { // a receipt that comes after its result
				if err := n.addReceipts(d, record.Result, executors); err != nil {
					return err
				}
			}
			continue
		}
		if len(executors) == 0 || !n.random.Chance(n.config.Rates.Receipt) {
			return nil
		}
		drawn := shuffled(n.random, executors)[:n.random.Between(1, min(len(executors), 3))]
		if err := n.addResult(d, record.Result, drawn); err != nil {
			return err
		}
		connected[resultID] = true
		if err := n.addConflictingResult(d, record, executors); err != nil {
			return err
		}
	}
	return nil
}

func (n *Network) addResult(d *draft, result *flow.ExecutionResult, executors flow.IdentifierList) error {
	d.payload.Results = append(d.payload.Results, result)
	return n.addReceipts(d, result, executors)
}

// addReceipts adds the receipts of a result that the fork does not have.
func (n *Network) addReceipts(d *draft, result *flow.ExecutionResult, executors flow.IdentifierList) error {
	for _, executorID := range executors {
		receipt, err := n.Receipt(result, executorID)
		if err != nil {
			return err
		}
		if id := receipt.ID(); !d.receipts[id] {
			d.receipts[id] = true
			d.payload.Receipts = append(d.payload.Receipts, receipt)
		}
	}
	return nil
}

// addConflictingResult adds, rarely, what a faulty execution node makes of a block.
// Nothing seals it.
func (n *Network) addConflictingResult(d *draft, record *Record, executors flow.IdentifierList) error {
	if len(executors) < 2 || !n.random.Chance(n.config.Rates.ConflictingResult) {
		return nil
	}
	if record.conflicting == nil {
		wrong, err := n.execute(record, nil, " wrongly")
		if err != nil {
			return err
		}
		record.conflicting = wrong
	}
	if d.incorporated[record.conflicting.ID()] != nil {
		return nil
	}
	return n.addResult(d, record.conflicting, flow.IdentifierList{pick(n.random, executors)})
}

// addSeals seals unsealed blocks from the lowest on. flow-go's seal validator accepts a
// seal only if an ancestor of the parent incorporates the result, not the parent itself.
func (n *Network) addSeals(d *draft) error {
	if !n.random.Chance(n.config.Rates.Seal) {
		return nil
	}
	for _, record := range d.path {
		incorporatedIn := d.incorporated[record.Result.ID()]
		if incorporatedIn == nil || incorporatedIn == d.parent {
			return nil
		}
		if len(d.payload.Seals) > 0 && !n.random.Chance(n.config.Rates.Seal) {
			return nil
		}
		verifiers, err := n.active(record, flow.RoleVerification)
		if err != nil {
			return err
		}
		if len(verifiers) < flow.DefaultChunkAssignmentAlpha {
			return nil // nobody can be assigned
		}
		seal, err := n.Seal(record.Result, incorporatedIn.ID)
		if err != nil {
			return fmt.Errorf("could not seal block %v: %w", record.ID, err)
		}
		d.payload.Seals = append(d.payload.Seals, seal)
	}
	return nil
}

// newGuarantees are how many new collections a block gets, each as likely as another.
var newGuarantees = []int{0, 0, 1, 1, 1, 2, 2, 3}

const recentGuarantees = 12
