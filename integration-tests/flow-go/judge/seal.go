package judge

import (
	"github.com/onflow/crypto"
	"github.com/onflow/flow-go/model/flow"
)

// sealMutations change the seals; the protocol state ID follows where flow-go computes one.
var sealMutations = []mutation{
	seal("seal: block unknown", func(c *candidate, s *flow.Seal) { s.BlockID = c.random.Identifier() }),
	seal("seal: block zero", func(_ *candidate, s *flow.Seal) { s.BlockID = flow.ZeroID }),
	seal("seal: block is the parent", func(c *candidate, s *flow.Seal) { s.BlockID = c.parent.ID }),
	seal("seal: result unknown", func(c *candidate, s *flow.Seal) { s.ResultID = c.random.Identifier() }),
	seal("seal: result zero", func(_ *candidate, s *flow.Seal) { s.ResultID = flow.ZeroID }),
	seal("seal: another final state", func(c *candidate, s *flow.Seal) {
		s.FinalState = flow.StateCommitment(c.random.Identifier())
	}),
	seal("seal: final state zero", func(_ *candidate, s *flow.Seal) { s.FinalState = flow.StateCommitment{} }),
	seal("seal: no approvals", func(_ *candidate, s *flow.Seal) { s.AggregatedApprovalSigs = nil }),
	seal("seal: approvals of no chunk", func(_ *candidate, s *flow.Seal) {
		s.AggregatedApprovalSigs = make([]flow.AggregatedSignature, len(s.AggregatedApprovalSigs))
	}),
	seal("seal: approvals of a chunk more", func(_ *candidate, s *flow.Seal) {
		s.AggregatedApprovalSigs = append(append([]flow.AggregatedSignature(nil), s.AggregatedApprovalSigs...),
			flow.AggregatedSignature{})
	}),
	seal("seal: an approval's signature, one bit", func(c *candidate, s *flow.Seal) {
		sigs := append([]flow.AggregatedSignature(nil), s.AggregatedApprovalSigs...)
		for index := range sigs {
			if len(sigs[index].VerifierSignatures) > 0 {
				changed := append([]crypto.Signature(nil), sigs[index].VerifierSignatures...)
				changed[0] = c.flipped(changed[0])
				sigs[index].VerifierSignatures = changed
				break
			}
		}
		s.AggregatedApprovalSigs = sigs
	}),
	withOne("seal twice", seals, func(c *candidate, index int) error {
		c.block.Payload.Seals = append(seals(c), c.block.Payload.Seals[index])
		return restate(c)
	}),
	withOne("seal left out", seals, func(c *candidate, index int) error {
		list := seals(c)
		c.block.Payload.Seals = append(list[:index], list[index+1:]...)
		return restate(c)
	}),
	withOne("seals left out", seals, func(c *candidate, _ int) error {
		c.block.Payload.Seals = nil
		return restate(c)
	}),
	withOne("seals in reverse", seals, func(c *candidate, _ int) error {
		list := seals(c)
		for low, high := 0, len(list)-1; low < high; low, high = low+1, high-1 {
			list[low], list[high] = list[high], list[low]
		}
		c.block.Payload.Seals = list
		return restate(c)
	}),
	{"seal of an ancestor again", func(c *candidate) (bool, error) {
		for at := c.parent; at.Parent != nil; at = at.Parent {
			if list := at.Block().Payload.Seals; len(list) > 0 {
				c.block.Payload.Seals = append(seals(c), list[0])
				return true, restate(c)
			}
		}
		return false, nil
	}},
	{"seal of a result in the same block", func(c *candidate) (bool, error) {
		if len(c.block.Payload.Results) == 0 {
			return false, nil
		}
		result := c.block.Payload.Results[0]
		final, err := result.FinalStateCommitment()
		if err != nil {
			return false, err
		}
		c.block.Payload.Seals = append(seals(c), &flow.Seal{
			BlockID: result.BlockID, ResultID: result.ID(), FinalState: final,
			AggregatedApprovalSigs: make([]flow.AggregatedSignature, len(result.Chunks)),
		})
		return true, restate(c)
	}},
}

func seals(c *candidate) []*flow.Seal {
	return append([]*flow.Seal(nil), c.block.Payload.Seals...)
}

// seal changes a copy of one seal.
func seal(name string, change func(*candidate, *flow.Seal)) mutation {
	return withOne(name, seals, func(c *candidate, index int) error {
		list := seals(c)
		changed := *list[index]
		change(c, &changed)
		list[index] = &changed
		c.block.Payload.Seals = list
		return restate(c)
	})
}

// restate commits the block to the state that follows from its seals. Where flow-go computes none, the ID stays
// what it was.
func restate(c *candidate) error {
	id, err := c.network.ProtocolStateID(c.parent.ID, c.block.View, c.block.Payload.Seals)
	if err == nil {
		c.block.Payload.ProtocolStateID = id
	}
	return nil
}
