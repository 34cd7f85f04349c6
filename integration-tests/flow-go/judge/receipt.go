package judge

import (
	"github.com/onflow/crypto"
	"github.com/onflow/flow-go/model/flow"
)

// receiptMutations change the execution receipts, whose results stay.
var receiptMutations = []mutation{
	receipt("receipt: executor zero", func(_ *candidate, r *flow.ExecutionReceiptStub) error {
		r.ExecutorID = flow.ZeroID
		return nil
	}),
	receipt("receipt: executor is another node", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		id, err := c.otherNode()
		r.ExecutorID = id
		return err
	}),
	receipt("receipt: executor is another node, who signs", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		id, err := c.otherNode()
		if err != nil {
			return err
		}
		unsigned := r.UnsignedExecutionReceiptStub
		unsigned.ExecutorID = id
		signed, err := c.network.SignReceipt(unsigned)
		if err == nil {
			*r = *signed
		}
		return err
	}),
	receipt("receipt: result unknown", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		unsigned := r.UnsignedExecutionReceiptStub
		unsigned.ResultID = c.random.Identifier()
		signed, err := c.network.SignReceipt(unsigned)
		if err == nil {
			*r = *signed
		}
		return err
	}),
	receipt("receipt: signature, one bit", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		r.ExecutorSignature = c.flipped(r.ExecutorSignature)
		return nil
	}),
	receipt("receipt: signature empty", func(_ *candidate, r *flow.ExecutionReceiptStub) error {
		r.ExecutorSignature = nil
		return nil
	}),
	receipt("receipt: no spocks", func(_ *candidate, r *flow.ExecutionReceiptStub) error {
		r.Spocks = nil
		return nil
	}),
	receipt("receipt: a spock of any bytes", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		r.Spocks = append([]crypto.Signature(nil), r.Spocks...)
		r.Spocks[0] = c.random.Bytes(c.random.Between(0, 100))
		return nil
	}),
	withOne("receipt twice", receipts, func(c *candidate, index int) error {
		c.block.Payload.Receipts = append(receipts(c), c.block.Payload.Receipts[index])
		return nil
	}),
	withOne("receipt left out", receipts, func(c *candidate, index int) error {
		list := receipts(c)
		c.block.Payload.Receipts = append(list[:index], list[index+1:]...)
		return nil
	}),
	{"receipt of an ancestor again", func(c *candidate) (bool, error) {
		for at := c.parent; at.Parent != nil; at = at.Parent {
			if list := at.Block().Payload.Receipts; len(list) > 0 {
				c.block.Payload.Receipts = append(receipts(c), list[0])
				return true, nil
			}
		}
		return false, nil
	}},
}

func receipts(c *candidate) []*flow.ExecutionReceiptStub {
	return append([]*flow.ExecutionReceiptStub(nil), c.block.Payload.Receipts...)
}

// receipt changes a copy of one receipt.
func receipt(name string, change func(*candidate, *flow.ExecutionReceiptStub) error) mutation {
	return withOne(name, receipts, func(c *candidate, index int) error {
		list := receipts(c)
		changed := *list[index]
		if err := change(c, &changed); err != nil {
			return err
		}
		list[index] = &changed
		c.block.Payload.Receipts = list
		return nil
	})
}
