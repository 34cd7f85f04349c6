package judge

import (
	"github.com/onflow/flow-go/model/flow"
)

// guaranteeMutations change the collection guarantees.
var guaranteeMutations = []mutation{
	guarantee("guarantee: collection id zero", func(_ *candidate, g *flow.CollectionGuarantee) {
		g.CollectionID = flow.ZeroID
	}),
	guarantee("guarantee: another collection", func(c *candidate, g *flow.CollectionGuarantee) {
		g.CollectionID = c.random.Identifier()
	}),
	guarantee("guarantee: reference block zero", func(_ *candidate, g *flow.CollectionGuarantee) {
		g.ReferenceBlockID = flow.ZeroID
	}),
	guarantee("guarantee: reference block unknown", func(c *candidate, g *flow.CollectionGuarantee) {
		g.ReferenceBlockID = c.random.Identifier()
	}),
	guarantee("guarantee: cluster unknown", func(_ *candidate, g *flow.CollectionGuarantee) {
		g.ClusterChainID = "cluster-0-0000"
	}),
	guarantee("guarantee: cluster empty", func(_ *candidate, g *flow.CollectionGuarantee) { g.ClusterChainID = "" }),
	guarantee("guarantee: indices, one bit", func(c *candidate, g *flow.CollectionGuarantee) {
		g.SignerIndices = c.flipped(g.SignerIndices)
	}),
	guarantee("guarantee: indices empty", func(_ *candidate, g *flow.CollectionGuarantee) { g.SignerIndices = nil }),
	guarantee("guarantee: signature, any bytes", func(c *candidate, g *flow.CollectionGuarantee) {
		g.Signature = c.random.Bytes(c.random.Between(1, 100))
	}),
	guarantee("guarantee: signature empty", func(_ *candidate, g *flow.CollectionGuarantee) { g.Signature = nil }),
	withOne("guarantee twice", guarantees, func(c *candidate, index int) error {
		c.block.Payload.Guarantees = append(c.block.Payload.Guarantees, c.block.Payload.Guarantees[index])
		return nil
	}),
	withOne("guarantee left out", guarantees, func(c *candidate, index int) error {
		list := guarantees(c)
		c.block.Payload.Guarantees = append(append([]*flow.CollectionGuarantee(nil), list[:index]...), list[index+1:]...)
		return nil
	}),
	{"guarantee of an ancestor again", func(c *candidate) (bool, error) {
		for at := c.parent; at.Parent != nil; at = at.Parent {
			if list := at.Block().Payload.Guarantees; len(list) > 0 {
				c.block.Payload.Guarantees = append(guarantees(c), list[0])
				return true, nil
			}
		}
		return false, nil
	}},
}

func guarantees(c *candidate) []*flow.CollectionGuarantee {
	return append([]*flow.CollectionGuarantee(nil), c.block.Payload.Guarantees...)
}

// guarantee changes a copy of one guarantee.
func guarantee(name string, change func(*candidate, *flow.CollectionGuarantee)) mutation {
	return withOne(name, guarantees, func(c *candidate, index int) error {
		list := guarantees(c)
		changed := *list[index]
		change(c, &changed)
		list[index] = &changed
		c.block.Payload.Guarantees = list
		return nil
	})
}
