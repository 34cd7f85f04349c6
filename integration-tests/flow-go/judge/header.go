package judge

import (
	"github.com/onflow/flow-go/model/flow"
)

// headerMutations change fields of the header but for its certificates.
var headerMutations = []mutation{
	always("chain id of another network", func(c *candidate) { c.block.ChainID = flow.Testnet }),
	always("chain id unknown", func(c *candidate) { c.block.ChainID = "flow-elsewhere" }),
	always("height of the parent", func(c *candidate) { c.block.Height-- }),
	always("height too high", func(c *candidate) { c.block.Height++ }),
	always("height zero", func(c *candidate) { c.block.Height = 0 }),
	always("parent unknown", func(c *candidate) { c.block.ParentID = c.random.Identifier() }),
	{"parent is the grandparent", func(c *candidate) (bool, error) {
		if c.parent.Parent == nil {
			return false, nil
		}
		c.block.ParentID = c.parent.Parent.ID
		return true, nil
	}},
	always("parent view too low", func(c *candidate) { c.block.ParentView-- }),
	always("parent view too high", func(c *candidate) { c.block.ParentView++ }),
	always("parent view zero", func(c *candidate) { c.block.ParentView = 0 }),
	always("view of the parent", func(c *candidate) { c.block.View = c.block.ParentView }),
	always("view before the parent's", func(c *candidate) { c.block.View = c.block.ParentView - 1 }),
	always("view zero", func(c *candidate) { c.block.View = 0 }),
	always("view one higher", func(c *candidate) { c.block.View++ }),
	always("timestamp of the parent", func(c *candidate) { c.block.Timestamp = c.parent.Block().Timestamp }),
	always("timestamp before the parent's", func(c *candidate) {
		c.block.Timestamp = c.parent.Block().Timestamp - uint64(c.random.Between(1, 1_000_000))
	}),
	always("timestamp one above the parent's", func(c *candidate) {
		c.block.Timestamp = c.parent.Block().Timestamp + 1
	}),
	always("timestamp zero", func(c *candidate) { c.block.Timestamp = 0 }),
	always("proposer zero", func(c *candidate) { c.block.ProposerID = flow.ZeroID }),
	always("proposer unknown", func(c *candidate) { c.block.ProposerID = c.random.Identifier() }),
	{"proposer is another node", func(c *candidate) (bool, error) {
		id, err := c.otherNode()
		c.block.ProposerID = id
		return err == nil, err
	}},
	always("protocol state id unknown", func(c *candidate) {
		c.block.Payload.ProtocolStateID = c.random.Identifier()
	}),
	always("protocol state id zero", func(c *candidate) { c.block.Payload.ProtocolStateID = flow.ZeroID }),
	always("protocol state id of the parent", func(c *candidate) {
		c.block.Payload.ProtocolStateID = c.parent.Block().Payload.ProtocolStateID
	}),
}
