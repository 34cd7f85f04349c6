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
	guarantees.twice("guarantee twice"),
	guarantees.leftOut("guarantee left out"),
	guarantees.again("guarantee of an ancestor again"),
}

var guarantees = list[flow.CollectionGuarantee]{
	of: func(payload *flow.Payload) *[]*flow.CollectionGuarantee { return &payload.Guarantees },
}

func guarantee(name string, change func(*candidate, *flow.CollectionGuarantee)) mutation {
	return guarantees.changed(name, func(c *candidate, g *flow.CollectionGuarantee) error {
		change(c, g)
		return nil
	})
}
