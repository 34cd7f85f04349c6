package judge

import (
	"slices"

	"github.com/onflow/flow-go/model/flow"
)

// resultMutations change execution results; their receipts are made anew and signed.
var resultMutations = []mutation{
	result("result: previous unknown", func(c *candidate, r *flow.ExecutionResult) {
		r.PreviousResultID = c.random.Identifier()
	}),
	result("result: previous zero", func(_ *candidate, r *flow.ExecutionResult) { r.PreviousResultID = flow.ZeroID }),
	result("result: block unknown", func(c *candidate, r *flow.ExecutionResult) { r.BlockID = c.random.Identifier() }),
	result("result: block is the parent", func(c *candidate, r *flow.ExecutionResult) { r.BlockID = c.parent.ID }),
	result("result: execution data zero", func(_ *candidate, r *flow.ExecutionResult) { r.ExecutionDataID = flow.ZeroID }),
	result("result: other execution data", func(c *candidate, r *flow.ExecutionResult) {
		r.ExecutionDataID = c.random.Identifier()
	}),
	result("result: no chunks", func(_ *candidate, r *flow.ExecutionResult) { r.Chunks = nil }),
	result("result: a chunk less", func(_ *candidate, r *flow.ExecutionResult) { r.Chunks = r.Chunks[:len(r.Chunks)-1] }),
	result("result: a chunk twice", func(_ *candidate, r *flow.ExecutionResult) {
		r.Chunks = append(r.Chunks, r.Chunks[len(r.Chunks)-1])
	}),
	result("result: no service events", func(_ *candidate, r *flow.ExecutionResult) { r.ServiceEvents = nil }),
	result("result: a service event twice", func(c *candidate, r *flow.ExecutionResult) {
		if len(r.ServiceEvents) > 0 {
			r.ServiceEvents = append(r.ServiceEvents, r.ServiceEvents[0])
		}
	}),
	chunk("chunk: index", func(_ *candidate, k *flow.Chunk) { k.Index++ }),
	chunk("chunk: collection index", func(_ *candidate, k *flow.Chunk) { k.CollectionIndex++ }),
	chunk("chunk: another block", func(c *candidate, k *flow.Chunk) { k.BlockID = c.random.Identifier() }),
	chunk("chunk: block zero", func(_ *candidate, k *flow.Chunk) { k.BlockID = flow.ZeroID }),
	chunk("chunk: event collection zero", func(_ *candidate, k *flow.Chunk) { k.EventCollection = flow.ZeroID }),
	chunk("chunk: another event collection", func(c *candidate, k *flow.Chunk) {
		k.EventCollection = c.random.Identifier()
	}),
	chunk("chunk: another start state", func(c *candidate, k *flow.Chunk) {
		k.StartState = flow.StateCommitment(c.random.Identifier())
	}),
	chunk("chunk: start state zero", func(_ *candidate, k *flow.Chunk) { k.StartState = flow.StateCommitment{} }),
	chunk("chunk: another end state", func(c *candidate, k *flow.Chunk) {
		k.EndState = flow.StateCommitment(c.random.Identifier())
	}),
	chunk("chunk: end state zero", func(_ *candidate, k *flow.Chunk) { k.EndState = flow.StateCommitment{} }),
	chunk("chunk: service events, one more", func(_ *candidate, k *flow.Chunk) { k.ServiceEventCount++ }),
	chunk("chunk: computation", func(_ *candidate, k *flow.Chunk) { k.TotalComputationUsed++ }),
	chunk("chunk: transactions", func(_ *candidate, k *flow.Chunk) { k.NumberOfTransactions++ }),
	{"result without its receipts", func(c *candidate) (bool, error) {
		list := c.block.Payload.Results
		if len(list) == 0 {
			return false, nil
		}
		id := list[c.random.Between(0, len(list)-1)].ID()
		var others []*flow.ExecutionReceiptStub
		for _, stub := range c.block.Payload.Receipts {
			if stub.ResultID != id {
				others = append(others, stub)
			}
		}
		c.block.Payload.Receipts = others
		return true, nil
	}},
	results.twice("result twice"),
	results.leftOut("result left out, its receipts stay"),
}

var results = list[flow.ExecutionResult]{
	of: func(payload *flow.Payload) *[]*flow.ExecutionResult {
		return (*[]*flow.ExecutionResult)(&payload.Results)
	},
}

// result changes a copy of one result, and lets the executors sign receipts of it.
func result(name string, change func(*candidate, *flow.ExecutionResult)) mutation {
	return results.changed(name, func(c *candidate, r *flow.ExecutionResult) error {
		before := r.ID()
		r.Chunks = slices.Clone(r.Chunks)
		r.ServiceEvents = slices.Clone(r.ServiceEvents)
		change(c, r)
		stubs := slices.Clone(c.block.Payload.Receipts)
		for at, stub := range stubs {
			if stub.ResultID != before {
				continue
			}
			signed := *stub
			err := signAgain(c, &signed, func(unsigned *flow.UnsignedExecutionReceiptStub) { unsigned.ResultID = r.ID() })
			if err != nil {
				return err
			}
			stubs[at] = &signed
		}
		c.block.Payload.Receipts = stubs
		return nil
	})
}

// chunk changes a copy of one chunk of a result.
func chunk(name string, change func(*candidate, *flow.Chunk)) mutation {
	return result(name, func(c *candidate, r *flow.ExecutionResult) {
		index := c.random.Between(0, len(r.Chunks)-1)
		changed := *r.Chunks[index]
		change(c, &changed)
		r.Chunks[index] = &changed
	})
}
