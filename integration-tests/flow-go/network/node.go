package network

import (
	"fmt"
	"slices"

	"github.com/onflow/crypto"

	"github.com/onflow/flow-go/model/flow"
)

// Node is a participant with its private keys.
type Node struct {
	flow.IdentitySkeleton
	StakingKey crypto.PrivateKey
	NetworkKey crypto.PrivateKey
}

// newNode makes the next node of the network. Its keys follow from the seed and its number.
func (n *Network) newNode(role flow.Role, weight uint64) (*Node, error) {
	number := len(n.nodes)
	seed := digest(n.seed, "staking key", number)
	stakingKey, err := crypto.GeneratePrivateKey(crypto.BLSBLS12381, seed[:])
	if err != nil {
		return nil, fmt.Errorf("could not generate staking key: %w", err)
	}
	seed = digest(n.seed, "network key", number)
	networkKey, err := crypto.GeneratePrivateKey(crypto.ECDSAP256, seed[:])
	if err != nil {
		return nil, fmt.Errorf("could not generate network key: %w", err)
	}
	id := flow.Identifier(digest(n.seed, "node ID", number))
	node := &Node{
		IdentitySkeleton: flow.IdentitySkeleton{
			NodeID:        id,
			Address:       fmt.Sprintf("%s-%x.example.org:3569", role, id[:3]),
			Role:          role,
			InitialWeight: weight,
			StakingPubKey: stakingKey.PublicKey(),
			NetworkPubKey: networkKey.PublicKey(),
		},
		StakingKey: stakingKey,
		NetworkKey: networkKey,
	}
	n.nodes[id] = node
	return node, nil
}

// Node returns the node with an ID, of whatever epoch.
func (n *Network) Node(id flow.Identifier) (*Node, error) {
	node, ok := n.nodes[id]
	if !ok {
		return nil, fmt.Errorf("no node has the ID %v", id)
	}
	return node, nil
}

// rootParticipants makes the nodes of the root epoch.
func (n *Network) rootParticipants() (flow.IdentitySkeletonList, error) {
	counts := []struct {
		role  flow.Role
		count int
	}{
		{flow.RoleConsensus, n.config.Consensus},
		{flow.RoleCollection, n.config.Collection},
		{flow.RoleExecution, n.config.Execution},
		{flow.RoleVerification, n.config.Verification},
		{flow.RoleAccess, n.config.Access},
	}
	var participants flow.IdentitySkeletonList
	for _, role := range counts {
		for range role.count {
			node, err := n.newNode(role.role, n.drawWeight())
			if err != nil {
				return nil, err
			}
			participants = append(participants, &node.IdentitySkeleton)
		}
	}
	return canonical(participants), nil
}

// drawWeight draws the weight of a node; most have the same.
func (n *Network) drawWeight() uint64 {
	if n.random.Chance(0.7) {
		return defaultWeight
	}
	return uint64(n.random.Between(defaultWeight*6/10, defaultWeight))
}

// stakingKey returns the sum of the nodes' staking keys. A signature of the sum
// is the aggregate of the nodes' signatures, in the time of one.
func (n *Network) stakingKey(ids flow.IdentifierList) (crypto.PrivateKey, error) {
	keys := make([]crypto.PrivateKey, 0, len(ids))
	for _, id := range ids {
		node, err := n.Node(id)
		if err != nil {
			return nil, err
		}
		keys = append(keys, node.StakingKey)
	}
	return crypto.AggregateBLSPrivateKeys(keys)
}

// canonical returns the participants in the order that the protocol demands.
func canonical(participants flow.IdentitySkeletonList) flow.IdentitySkeletonList {
	return participants.Sort(flow.Canonical[flow.IdentitySkeleton])
}

// sortedIDs returns the IDs in canonical order.
func sortedIDs(ids flow.IdentifierList) flow.IdentifierList {
	out := slices.Clone(ids)
	slices.SortFunc(out, flow.IdentifierCanonical)
	return out
}

const defaultWeight = 1000
