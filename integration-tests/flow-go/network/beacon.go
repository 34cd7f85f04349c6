package network

import (
	"fmt"

	"github.com/onflow/crypto"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/module/signature"
)

// Beacon is the outcome of a DKG with all private key shares.
type Beacon struct {
	// Members are the DKG's participants in the order of their indices.
	Members   flow.IdentifierList
	GroupKey  crypto.PublicKey
	PublicKey []crypto.PublicKey
	shares    []crypto.PrivateKey
	// failed are members that came out of the DKG without a private key share.
	failed map[flow.Identifier]struct{}
}

// newBeacon runs the DKG for the members with a trusted dealer.
func (n *Network) newBeacon(members flow.IdentifierList, failed ...flow.Identifier) (*Beacon, error) {
	seed := digest(n.seed, "random beacon", len(n.beacons))
	shares, publicKeys, groupKey, err := crypto.BLSThresholdKeyGen(
		len(members), signature.RandomBeaconThreshold(len(members)), seed[:])
	if err != nil {
		return nil, fmt.Errorf("could not generate random beacon keys: %w", err)
	}
	beacon := &Beacon{
		Members: members, GroupKey: groupKey, PublicKey: publicKeys, shares: shares,
		failed: make(map[flow.Identifier]struct{}),
	}
	for _, id := range failed {
		beacon.failed[id] = struct{}{}
	}
	n.beacons[groupKey.String()] = beacon
	return beacon, nil
}

// IndexMap returns the members' indices as an EpochCommit lists them.
func (b *Beacon) IndexMap() flow.DKGIndexMap {
	indices := make(flow.DKGIndexMap, len(b.Members))
	for index, id := range b.Members {
		indices[id] = index
	}
	return indices
}

// Share returns the private key share of a node and its index, or nil if it has none.
func (b *Beacon) Share(id flow.Identifier) (crypto.PrivateKey, int) {
	if _, failed := b.failed[id]; failed {
		return nil, 0
	}
	for index, member := range b.Members {
		if member == id {
			return b.shares[index], index
		}
	}
	return nil, 0
}

// Required is the number of shares that make up a group signature.
func (b *Beacon) Required() int {
	return signature.RandomBeaconThreshold(len(b.Members)) + 1
}

// Holders returns those of the nodes that hold a private key share.
func (b *Beacon) Holders(ids flow.IdentifierList) flow.IdentifierList {
	var holders flow.IdentifierList
	for _, id := range ids {
		if share, _ := b.Share(id); share != nil {
			holders = append(holders, id)
		}
	}
	return holders
}

// Sign makes the group signature from shares of the signers.
func (b *Beacon) Sign(message []byte, signers flow.IdentifierList) (crypto.Signature, error) {
	hasher := signature.NewBLSHasher(signature.RandomBeaconTag)
	var shares []crypto.Signature
	var indices []int
	for _, id := range signers {
		key, index := b.Share(id)
		if key == nil || len(shares) == b.Required() {
			continue
		}
		share, err := key.Sign(message, hasher)
		if err != nil {
			return nil, fmt.Errorf("could not sign with beacon share of %v: %w", id, err)
		}
		shares = append(shares, share)
		indices = append(indices, index)
	}
	return crypto.BLSReconstructThresholdSignature(
		len(b.Members), b.Required()-1, shares, indices)
}
