package network

import (
	"fmt"

	"github.com/onflow/crypto"

	"github.com/onflow/flow-go/consensus/hotstuff/model"
	"github.com/onflow/flow-go/consensus/hotstuff/verification"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/module/signature"
)

// Vote signs a vote for a block as a node of the committee does: with its staking
// key and, if it has one, its share of the random beacon key.
func (n *Network) Vote(committee *Committee, nodeID flow.Identifier, view uint64, blockID flow.Identifier) ([]byte, error) {
	node, err := n.Node(nodeID)
	if err != nil {
		return nil, err
	}
	message := verification.MakeVoteMessage(view, blockID)
	staking, err := node.StakingKey.Sign(message, signature.NewBLSHasher(signature.ConsensusVoteTag))
	if err != nil {
		return nil, fmt.Errorf("could not sign vote: %w", err)
	}
	share, _ := committee.Beacon.Share(nodeID)
	if share == nil {
		return staking, nil
	}
	beacon, err := share.Sign(message, signature.NewBLSHasher(signature.RandomBeaconTag))
	if err != nil {
		return nil, fmt.Errorf("could not sign beacon share: %w", err)
	}
	return signature.EncodeDoubleSig(staking, beacon), nil
}

// QC makes the signers' certificate of a block.
func (n *Network) QC(committee *Committee, signers flow.IdentifierList, view uint64, blockID flow.Identifier) (*flow.QuorumCertificate, error) {
	beacon, err := committee.Beacon.Sign(verification.MakeVoteMessage(view, blockID), signers)
	if err != nil {
		return nil, fmt.Errorf("could not sign for the random beacon: %w", err)
	}
	return n.certificate(committee, signers, view, blockID, beacon)
}

// certificate lets the signers sign, and adds the random beacon's signature.
func (n *Network) certificate(
	committee *Committee, signers flow.IdentifierList, view uint64, blockID flow.Identifier, beacon crypto.Signature,
) (*flow.QuorumCertificate, error) {
	key, err := n.stakingKey(signers)
	if err != nil {
		return nil, err
	}
	message := verification.MakeVoteMessage(view, blockID)
	staking, err := key.Sign(message, signature.NewBLSHasher(signature.ConsensusVoteTag))
	if err != nil {
		return nil, fmt.Errorf("could not sign votes: %w", err)
	}
	indices, sigType, err := signature.EncodeSignerToIndicesAndSigType(committee.Members.NodeIDs(), signers, nil)
	if err != nil {
		return nil, fmt.Errorf("could not encode signer indices: %w", err)
	}
	sigData, err := new(model.SigDataPacker).Encode(&model.SignatureData{
		SigType:                      sigType,
		AggregatedStakingSig:         staking,
		ReconstructedRandomBeaconSig: beacon,
	})
	if err != nil {
		return nil, fmt.Errorf("could not encode signature data: %w", err)
	}
	return flow.NewQuorumCertificate(flow.UntrustedQuorumCertificate{
		View: view, BlockID: blockID, SignerIndices: indices, SigData: sigData,
	})
}

// Timeout is what one replica reports when it gives up on a view.
type Timeout struct {
	SignerID     flow.Identifier
	NewestQCView uint64
}

// TC makes the certificate of a view that timed out. The timeouts must be in
// canonical order of their signers: that is the order of the certificate's views.
func (n *Network) TC(committee *Committee, view uint64, newestQC *flow.QuorumCertificate, timeouts []Timeout) (*flow.TimeoutCertificate, error) {
	hasher := signature.NewBLSHasher(signature.ConsensusTimeoutTag)
	var signers flow.IdentifierList
	var views []uint64
	var signatures []crypto.Signature
	for _, timeout := range timeouts {
		node, err := n.Node(timeout.SignerID)
		if err != nil {
			return nil, err
		}
		message := verification.MakeTimeoutMessage(view, timeout.NewestQCView)
		sig, err := node.StakingKey.Sign(message, hasher)
		if err != nil {
			return nil, fmt.Errorf("could not sign timeout: %w", err)
		}
		signers = append(signers, timeout.SignerID)
		views = append(views, timeout.NewestQCView)
		signatures = append(signatures, sig)
	}
	indices, err := signature.EncodeSignersToIndices(committee.Members.NodeIDs(), signers)
	if err != nil {
		return nil, fmt.Errorf("could not encode signer indices: %w", err)
	}
	sigData, err := crypto.AggregateBLSSignatures(signatures)
	if err != nil {
		return nil, fmt.Errorf("could not aggregate timeouts: %w", err)
	}
	// Not by flow-go's constructor: timeouts that no certificate may have are for others to refuse.
	return &flow.TimeoutCertificate{
		View: view, NewestQCViews: views, NewestQC: newestQC, SignerIndices: indices, SigData: sigData,
	}, nil
}

// StakingQC makes a certificate of a block whose staking signature is the signers', with the random beacon's
// signature of other signature data: for signers that hold too few shares to make one.
func (n *Network) StakingQC(
	committee *Committee, signers flow.IdentifierList, view uint64, blockID flow.Identifier, sigData []byte,
) (*flow.QuorumCertificate, error) {
	data, err := new(model.SigDataPacker).Decode(sigData)
	if err != nil {
		return nil, fmt.Errorf("could not decode signature data: %w", err)
	}
	return n.certificate(committee, signers, view, blockID, data.ReconstructedRandomBeaconSig)
}
