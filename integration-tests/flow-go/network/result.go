package network

import (
	"crypto/sha3"
	"fmt"

	"github.com/onflow/crypto"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
	"github.com/onflow/flow-go/module/signature"
)

// execute makes the result of a block: one chunk a collection and the system chunk.
// The salt tells a wrong execution from the right one, which has none.
func (n *Network) execute(record *Record, events flow.ServiceEventList, salt string) (*flow.ExecutionResult, error) {
	previous := record.Parent.Result
	state, err := previous.FinalStateCommitment()
	if err != nil {
		return nil, fmt.Errorf("parent's result has no final state: %w", err)
	}
	counts := n.eventsByChunk(len(record.Block().Payload.Guarantees)+1, len(events))
	var chunks flow.ChunkList
	for index, count := range counts {
		end := flow.StateCommitment(outcome(record.ID, "state"+salt, index))
		chunk, err := flow.NewChunk(flow.UntrustedChunk{
			ChunkBody: flow.ChunkBody{
				CollectionIndex:      uint(index),
				StartState:           state,
				EventCollection:      flow.Identifier(outcome(record.ID, "events"+salt, index)),
				ServiceEventCount:    count,
				BlockID:              record.ID,
				TotalComputationUsed: uint64(1000 + 37*index),
				NumberOfTransactions: uint64(1 + index),
			},
			Index:    uint64(index),
			EndState: end,
		})
		if err != nil {
			return nil, fmt.Errorf("could not build chunk: %w", err)
		}
		chunks.Insert(chunk)
		state = end
	}
	return flow.NewExecutionResult(flow.UntrustedExecutionResult{
		PreviousResultID: previous.ID(),
		BlockID:          record.ID,
		Chunks:           chunks,
		ServiceEvents:    events,
		ExecutionDataID:  flow.Identifier(outcome(record.ID, "execution data"+salt, 0)),
	})
}

// eventsByChunk says how many of a result's events each chunk emitted. The system
// chunk, which is the last, emits them but for the rare event of a transaction.
func (n *Network) eventsByChunk(chunks, events int) []uint16 {
	counts := make([]uint16, chunks)
	for range events {
		chunk := chunks - 1
		if n.random.Chance(0.2) {
			chunk = n.random.IntN(chunks)
		}
		counts[chunk]++
	}
	return counts
}

// outcome stands for what execution computes of a block: a hash of what was executed.
func outcome(blockID flow.Identifier, what string, index int) [32]byte {
	return sha3.Sum256(fmt.Appendf(blockID[:], "%s/%d", what, index))
}

// executors returns the execution nodes that may sign receipts of a block.
func (n *Network) executors(record *Record) (flow.IdentifierList, error) {
	return n.active(record, flow.RoleExecution)
}

// active returns the nodes of a role that take part, with weight and not ejected, at a block.
func (n *Network) active(record *Record, role flow.Role) (flow.IdentifierList, error) {
	identities, err := n.State.At(record.ID).Identities(filter.And(
		filter.HasRole[flow.Identity](role),
		filter.HasInitialWeight[flow.Identity](true),
		filter.IsValidCurrentEpochParticipant,
	))
	if err != nil {
		return nil, fmt.Errorf("no identities at block %v: %w", record.ID, err)
	}
	return identities.NodeIDs(), nil
}

// Receipt makes an executor's receipt of a result, with a SPoCK for each chunk.
func (n *Network) Receipt(result *flow.ExecutionResult, executorID flow.Identifier) (*flow.ExecutionReceiptStub, error) {
	resultID := result.ID()
	key := receiptKey{resultID: resultID, executorID: executorID}
	if stub, made := n.receipts[key]; made {
		return stub, nil
	}
	executor, err := n.Node(executorID)
	if err != nil {
		return nil, err
	}
	var spocks []crypto.Signature
	for index := range result.Chunks {
		secret := outcome(resultID, "SPoCK secret", index)
		spock, err := crypto.SPOCKProve(executor.StakingKey, secret[:], signature.NewBLSHasher(signature.SPOCKTag))
		if err != nil {
			return nil, fmt.Errorf("could not prove SPoCK: %w", err)
		}
		spocks = append(spocks, spock)
	}
	stub, err := n.SignReceipt(flow.UnsignedExecutionReceiptStub{
		ExecutorID: executorID, ResultID: resultID, Spocks: spocks,
	})
	if err != nil {
		return nil, err
	}
	n.receipts[key] = stub
	return stub, nil
}

// SignReceipt signs a receipt with its executor's staking key.
func (n *Network) SignReceipt(unsigned flow.UnsignedExecutionReceiptStub) (*flow.ExecutionReceiptStub, error) {
	executor, err := n.Node(unsigned.ExecutorID)
	if err != nil {
		return nil, err
	}
	id := unsigned.ID()
	sig, err := executor.StakingKey.Sign(id[:], signature.NewBLSHasher(signature.ExecutionReceiptTag))
	if err != nil {
		return nil, fmt.Errorf("could not sign receipt: %w", err)
	}
	return flow.NewExecutionReceiptStub(flow.UntrustedExecutionReceiptStub{
		UnsignedExecutionReceiptStub: unsigned, ExecutorSignature: sig,
	})
}

type receiptKey struct{ resultID, executorID flow.Identifier }
