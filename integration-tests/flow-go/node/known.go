package node

import (
	"crypto/sha3"
	"encoding/binary"

	"github.com/onflow/flow-go/consensus/hotstuff"
	"github.com/onflow/flow-go/consensus/hotstuff/signature"
	"github.com/onflow/flow-go/consensus/hotstuff/verification"
	"github.com/onflow/flow-go/model/flow"
)

// RememberQCs lets the node verify the signatures of a valid QC once: all candidates for a block's child carry the
// same.
func (node *Node) RememberQCs() {
	node.known = map[[32]byte]bool{}
	node.rules = nil
}

// verifier returns flow-go's verifier of signatures, which may remember.
func (node *Node) verifier(committee hotstuff.DynamicCommittee) hotstuff.Verifier {
	verifier := verification.NewCombinedVerifier(committee, signature.NewConsensusSigDataPacker(committee))
	if node.known == nil {
		return verifier
	}
	return remembering{Verifier: verifier, known: node.known}
}

// remembering knows QCs whose signatures it found valid.
type remembering struct {
	hotstuff.Verifier
	known map[[32]byte]bool
}

// VerifyQC verifies the signatures of a QC unless the very same one was valid before.
func (verifier remembering) VerifyQC(
	signers flow.IdentitySkeletonList, sigData []byte, view uint64, blockID flow.Identifier,
) error {
	key := nameOf(signers, sigData, view, blockID)
	if verifier.known[key] {
		return nil
	}
	err := verifier.Verifier.VerifyQC(signers, sigData, view, blockID)
	if err == nil {
		verifier.known[key] = true
	}
	return err
}

// nameOf hashes all that a QC's verification depends on; a node's keys follow from the view's epoch.
func nameOf(signers flow.IdentitySkeletonList, sigData []byte, view uint64, blockID flow.Identifier) [32]byte {
	named := append(binary.BigEndian.AppendUint64(nil, view), blockID[:]...)
	for _, signer := range signers {
		named = append(named, signer.NodeID[:]...)
	}
	named = binary.BigEndian.AppendUint64(named, uint64(len(signers)))
	return sha3.Sum256(append(named, sigData...))
}
