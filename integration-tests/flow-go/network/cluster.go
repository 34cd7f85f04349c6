package network

import (
	"fmt"

	"github.com/onflow/crypto"

	"github.com/onflow/flow-go/consensus/hotstuff/committees"
	"github.com/onflow/flow-go/consensus/hotstuff/verification"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
	"github.com/onflow/flow-go/module/signature"
	"github.com/onflow/flow-go/state/cluster"
	"github.com/onflow/flow-go/state/protocol"
)

// assignClusters deals the collectors with weight out to clusters.
func (n *Network) assignClusters(participants flow.IdentitySkeletonList) flow.AssignmentList {
	collectors := participants.Filter(filter.And(
		filter.HasRole[flow.IdentitySkeleton](flow.RoleCollection),
		filter.HasInitialWeight[flow.IdentitySkeleton](true),
	)).NodeIDs()
	assignments := make(flow.AssignmentList, min(n.config.Clusters, len(collectors)))
	for i, id := range shuffled(n.random, collectors) {
		index := i % len(assignments)
		assignments[index] = append(assignments[index], id)
	}
	for i := range assignments {
		assignments[i] = sortedIDs(assignments[i])
	}
	return assignments
}

// clusterVotes makes, for each cluster of an epoch, the votes for its root block.
func (n *Network) clusterVotes(setup *flow.EpochSetup) ([]flow.ClusterQCVoteData, error) {
	lookup := setup.Participants.Lookup()
	votes := make([]flow.ClusterQCVoteData, 0, len(setup.Assignments))
	for _, assignment := range setup.Assignments {
		root, err := cluster.CanonicalRootBlock(setup.Counter, assignment)
		if err != nil {
			return nil, fmt.Errorf("could not build root block of cluster: %w", err)
		}
		var members flow.IdentitySkeletonList
		for _, id := range assignment {
			members = append(members, lookup[id])
		}
		voters := n.drawClusterSigners(members)
		sig, err := n.clusterSignature(voters, root.View, root.ID())
		if err != nil {
			return nil, err
		}
		votes = append(votes, flow.ClusterQCVoteData{SigData: sig, VoterIDs: voters})
	}
	return votes, nil
}

// drawClusterSigners draws collectors that have more than two thirds of a cluster's weight.
func (n *Network) drawClusterSigners(members flow.IdentitySkeletonList) flow.IdentifierList {
	required := committees.WeightThresholdToBuildQC(members.TotalWeight())
	var signers flow.IdentifierList
	weight := uint64(0)
	for _, member := range shuffled(n.random, members) {
		if weight < required {
			signers = append(signers, member.NodeID)
			weight += member.InitialWeight
		}
	}
	return sortedIDs(signers)
}

// clusterSignature makes the collectors' aggregated vote for a block of their cluster.
func (n *Network) clusterSignature(signers flow.IdentifierList, view uint64, clusterBlockID flow.Identifier) (crypto.Signature, error) {
	key, err := n.stakingKey(signers)
	if err != nil {
		return nil, err
	}
	message := verification.MakeVoteMessage(view, clusterBlockID)
	return key.Sign(message, signature.NewBLSHasher(signature.CollectorVoteTag))
}

// Guarantee makes the guarantee of a collection of a cluster, which the signers sign.
//
// flow-go's collectors leave the signature out, since consensus nodes cannot check it
// without the cluster's block. Here half of the guarantees carry one.
func (n *Network) Guarantee(cluster protocol.Cluster, reference flow.Identifier, signers flow.IdentifierList) (*flow.CollectionGuarantee, error) {
	indices, err := signature.EncodeSignersToIndices(cluster.Members().NodeIDs(), signers)
	if err != nil {
		return nil, fmt.Errorf("could not encode guarantors: %w", err)
	}
	var sig crypto.Signature
	if n.random.Chance(0.5) {
		sig, err = n.clusterSignature(signers, n.random.Uint64N(1<<32), n.random.Identifier())
		if err != nil {
			return nil, err
		}
	}
	return flow.NewCollectionGuarantee(flow.UntrustedCollectionGuarantee{
		CollectionID:     n.random.Identifier(),
		ReferenceBlockID: reference,
		ClusterChainID:   cluster.ChainID(),
		SignerIndices:    indices,
		Signature:        sig,
	})
}

// drawGuarantee makes a guarantee of some cluster of the epoch at a reference block.
func (n *Network) drawGuarantee(reference *Record) (*flow.CollectionGuarantee, error) {
	epoch, err := n.State.At(reference.ID).Epochs().Current()
	if err != nil {
		return nil, fmt.Errorf("no epoch at block %v: %w", reference.ID, err)
	}
	clustering, err := epoch.Clustering()
	if err != nil {
		return nil, fmt.Errorf("no clusters at block %v: %w", reference.ID, err)
	}
	cluster, err := epoch.Cluster(uint(n.random.IntN(len(clustering))))
	if err != nil {
		return nil, fmt.Errorf("no cluster at block %v: %w", reference.ID, err)
	}
	return n.Guarantee(cluster, reference.ID, n.drawClusterSigners(cluster.Members()))
}
