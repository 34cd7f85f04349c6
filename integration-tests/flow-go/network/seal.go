package network

import (
	"fmt"

	"github.com/onflow/crypto"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/module/signature"
)

// Verifiers returns the verifiers that chunk assignment names for a chunk of a result
// that a block incorporates, in canonical order. The block needs a child.
func (n *Network) Verifiers(result *flow.ExecutionResult, incorporatedIn flow.Identifier, chunk uint64) (flow.IdentifierList, error) {
	assignment, err := n.State.Assigner.Assign(result, incorporatedIn)
	if err != nil {
		return nil, fmt.Errorf("could not assign chunks: %w", err)
	}
	verifiers, err := assignment.Verifiers(chunk)
	if err != nil {
		return nil, fmt.Errorf("chunk is not assigned: %w", err)
	}
	var ids flow.IdentifierList
	for id := range verifiers {
		ids = append(ids, id)
	}
	return sortedIDs(ids), nil
}

// Approval signs a verifier's attestation of a chunk.
func (n *Network) Approval(result *flow.ExecutionResult, chunk uint64, verifierID flow.Identifier) (crypto.Signature, error) {
	key := approvalKey{resultID: result.ID(), chunk: chunk, verifierID: verifierID}
	if sig, made := n.approvals[key]; made {
		return sig, nil
	}
	verifier, err := n.Node(verifierID)
	if err != nil {
		return nil, err
	}
	attestation, err := flow.NewAttestation(flow.UntrustedAttestation{
		BlockID: result.BlockID, ExecutionResultID: key.resultID, ChunkIndex: chunk,
	})
	if err != nil {
		return nil, fmt.Errorf("could not build attestation: %w", err)
	}
	id := attestation.ID()
	sig, err := verifier.StakingKey.Sign(id[:], signature.NewBLSHasher(signature.ResultApprovalTag))
	if err != nil {
		return nil, fmt.Errorf("could not sign attestation: %w", err)
	}
	n.approvals[key] = sig
	return sig, nil
}

// Approvals collects the approvals of a chunk by the given verifiers, in their order.
func (n *Network) Approvals(result *flow.ExecutionResult, chunk uint64, verifiers flow.IdentifierList) (flow.AggregatedSignature, error) {
	approvals := flow.AggregatedSignature{SignerIDs: verifiers}
	for _, id := range verifiers {
		sig, err := n.Approval(result, chunk, id)
		if err != nil {
			return approvals, err
		}
		approvals.VerifierSignatures = append(approvals.VerifierSignatures, sig)
	}
	return approvals, nil
}

// Seal seals a result that a block incorporates, with one or more approvals a chunk.
func (n *Network) Seal(result *flow.ExecutionResult, incorporatedIn flow.Identifier) (*flow.Seal, error) {
	var sigs []flow.AggregatedSignature
	for index := range uint64(len(result.Chunks)) {
		assigned, err := n.Verifiers(result, incorporatedIn, index)
		if err != nil {
			return nil, err
		}
		approvers := shuffled(n.random, assigned)[:n.drawApprovers(len(assigned))]
		approvals, err := n.Approvals(result, index, approvers)
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, approvals)
	}
	state, err := result.FinalStateCommitment()
	if err != nil {
		return nil, fmt.Errorf("result has no final state: %w", err)
	}
	return flow.NewSeal(flow.UntrustedSeal{
		BlockID: result.BlockID, ResultID: result.ID(), FinalState: state, AggregatedApprovalSigs: sigs,
	})
}

// drawApprovers says how many of a chunk's verifiers approve: one is enough.
func (n *Network) drawApprovers(assigned int) int {
	if n.random.Chance(0.7) {
		return 1
	}
	return n.random.Between(1, assigned)
}

type approvalKey struct {
	resultID   flow.Identifier
	chunk      uint64
	verifierID flow.Identifier
}
