package judge

import (
	"github.com/onflow/crypto"
	"github.com/onflow/flow-go/model/flow"
)

// receiptMutations change the execution receipts, whose results stay.
var receiptMutations = []mutation{
	receipts.changed("receipt: executor zero", func(_ *candidate, r *flow.ExecutionReceiptStub) error {
		r.ExecutorID = flow.ZeroID
		return nil
	}),
	receipts.changed("receipt: executor is another node", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		id, err := c.otherNode()
		r.ExecutorID = id
		return err
	}),
	receipts.changed("receipt: executor is another node, who signs", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		id, err := c.otherNode()
		if err != nil {
			return err
		}
		return signAgain(c, r, func(unsigned *flow.UnsignedExecutionReceiptStub) { unsigned.ExecutorID = id })
	}),
	receipts.changed("receipt: result unknown", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		return signAgain(c, r, func(unsigned *flow.UnsignedExecutionReceiptStub) {
			unsigned.ResultID = c.random.Identifier()
		})
	}),
	receipts.changed("receipt: signature, one bit", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		r.ExecutorSignature = c.flipped(r.ExecutorSignature)
		return nil
	}),
	receipts.changed("receipt: signature empty", func(_ *candidate, r *flow.ExecutionReceiptStub) error {
		r.ExecutorSignature = nil
		return nil
	}),
	receipts.changed("receipt: no spocks", func(_ *candidate, r *flow.ExecutionReceiptStub) error {
		r.Spocks = nil
		return nil
	}),
	receipts.changed("receipt: a spock of any bytes", func(c *candidate, r *flow.ExecutionReceiptStub) error {
		r.Spocks = append([]crypto.Signature(nil), r.Spocks...)
		r.Spocks[0] = c.random.Bytes(c.random.Between(0, 100))
		return nil
	}),
	receipts.twice("receipt twice"),
	receipts.leftOut("receipt left out"),
	receipts.again("receipt of an ancestor again"),
}

var receipts = list[flow.ExecutionReceiptStub]{
	of: func(payload *flow.Payload) *[]*flow.ExecutionReceiptStub {
		return (*[]*flow.ExecutionReceiptStub)(&payload.Receipts)
	},
}

// signAgain changes a receipt, and lets its executor sign that.
func signAgain(c *candidate, r *flow.ExecutionReceiptStub, change func(*flow.UnsignedExecutionReceiptStub)) error {
	unsigned := r.UnsignedExecutionReceiptStub
	change(&unsigned)
	signed, err := c.network.SignReceipt(unsigned)
	if err == nil {
		*r = *signed
	}
	return err
}
