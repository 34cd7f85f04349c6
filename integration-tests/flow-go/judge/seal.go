package judge

import (
	"slices"

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
	seals.twice("seal twice"),
	seals.leftOut("seal left out"),
	seals.one("seals left out", func(*candidate, []*flow.Seal, int) ([]*flow.Seal, error) { return nil, nil }),
	seals.one("seals in reverse", func(_ *candidate, copied []*flow.Seal, _ int) ([]*flow.Seal, error) {
		slices.Reverse(copied)
		return copied, nil
	}),
	seals.again("seal of an ancestor again"),
	{"seal of a result in the same block", func(c *candidate) (bool, error) {
		if len(c.block.Payload.Results) == 0 {
			return false, nil
		}
		result := c.block.Payload.Results[0]
		final, err := result.FinalStateCommitment()
		if err != nil {
			return false, err
		}
		return true, seals.put(c, append(slices.Clone(c.block.Payload.Seals), &flow.Seal{
			BlockID: result.BlockID, ResultID: result.ID(), FinalState: final,
			AggregatedApprovalSigs: make([]flow.AggregatedSignature, len(result.Chunks)),
		}))
	}},
}

var seals = list[flow.Seal]{
	of:    func(payload *flow.Payload) *[]*flow.Seal { return &payload.Seals },
	after: restate,
}

func seal(name string, change func(*candidate, *flow.Seal)) mutation {
	return seals.changed(name, func(c *candidate, s *flow.Seal) error {
		change(c, s)
		return nil
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
