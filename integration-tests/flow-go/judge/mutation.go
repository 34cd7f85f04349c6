// Package judge puts blocks that are wrong in one place to flow-go and to Weir, and compares the verdicts.
package judge

import (
	"slices"

	"github.com/onflow/flow-go/model/flow"

	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// mutation changes a valid block in one place. It is hashed and signed anew afterwards, so that it reaches
// the rule it aims at.
type mutation struct {
	name string
	// apply changes the block; it returns false where the block has nothing to change.
	apply func(candidate *candidate) (bool, error)
}

// candidate is a block in the making, a child of a block of the network.
type candidate struct {
	network *network.Network
	random  *network.Random
	parent  *network.Record
	block   flow.Block
	// mutation is the name of what is wrong with it.
	mutation string
}

// mutations are all that can be wrong. The first changes nothing: its verdict shows that both accept.
var mutations = slices.Concat(
	[]mutation{{"none", func(*candidate) (bool, error) { return true, nil }}},
	headerMutations, quorumMutations, timeoutMutations, guaranteeMutations, receiptMutations,
	resultMutations, eventMutations, sealMutations,
)

// always is a mutation that every block has a place for.
func always(name string, change func(candidate *candidate)) mutation {
	return mutation{name, func(candidate *candidate) (bool, error) {
		change(candidate)
		return true, nil
	}}
}

// flipped returns a copy of bytes with one bit turned over.
func (candidate *candidate) flipped(bytes []byte) []byte {
	changed := slices.Clone(bytes)
	if len(changed) > 0 {
		changed[candidate.random.Between(0, len(changed)-1)] ^= 1 << candidate.random.Between(0, 7)
	}
	return changed
}

// longer returns a copy of bytes with some more behind them.
func (candidate *candidate) longer(bytes []byte) []byte {
	more := candidate.random.Bytes(candidate.random.Between(1, 64))
	return slices.Concat(bytes, more)
}

// shorter returns bytes without their end.
func (candidate *candidate) shorter(bytes []byte) []byte {
	return bytes[:candidate.random.Between(0, max(len(bytes)-1, 0))]
}

// otherNode returns a node of the parent's identity table.
func (candidate *candidate) otherNode() (flow.Identifier, error) {
	identities, err := candidate.network.State.At(candidate.parent.ID).Identities(
		func(*flow.Identity) bool { return true })
	if err != nil {
		return flow.ZeroID, err
	}
	return identities[candidate.random.Between(0, len(identities)-1)].NodeID, nil
}
