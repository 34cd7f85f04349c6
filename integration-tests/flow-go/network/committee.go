package network

import (
	"fmt"

	"github.com/onflow/flow-go/consensus/hotstuff/committees"
	"github.com/onflow/flow-go/model/flow"
)

// Committee is the consensus committee of an epoch with its random beacon.
type Committee struct {
	Members flow.IdentitySkeletonList
	Beacon  *Beacon
}

// Committee returns the committee that a view belongs to, as of the latest finalized block.
func (n *Network) Committee(view uint64) (*Committee, error) {
	replicas, err := n.State.Committee()
	if err != nil {
		return nil, fmt.Errorf("no committees: %w", err)
	}
	members, err := replicas.IdentitiesByEpoch(view)
	if err != nil {
		return nil, fmt.Errorf("no committee for view %d: %w", view, err)
	}
	dkg, err := replicas.DKG(view)
	if err != nil {
		return nil, fmt.Errorf("no DKG for view %d: %w", view, err)
	}
	beacon, ok := n.beacons[dkg.GroupKey().String()]
	if !ok {
		return nil, fmt.Errorf("no private keys for the beacon of view %d", view)
	}
	return &Committee{Members: members, Beacon: beacon}, nil
}

// Leader returns the node that leads a view.
func (n *Network) Leader(view uint64) (flow.Identifier, error) {
	replicas, err := n.State.Committee()
	if err != nil {
		return flow.ZeroID, fmt.Errorf("no committees: %w", err)
	}
	leader, err := replicas.LeaderForView(view)
	if err != nil {
		return flow.ZeroID, fmt.Errorf("no leader for view %d: %w", view, err)
	}
	return leader, nil
}

// DrawSigners draws enough signers for a certificate, in canonical order:
// sometimes all, more often just enough.
func (n *Network) DrawSigners(committee *Committee) flow.IdentifierList {
	if n.random.Chance(0.2) {
		return committee.Members.NodeIDs()
	}
	required := committees.WeightThresholdToBuildQC(committee.Members.TotalWeight())
	var signers flow.IdentifierList
	weight, shares := uint64(0), 0
	for _, member := range shuffled(n.random, committee.Members) {
		share, _ := committee.Beacon.Share(member.NodeID)
		wanted := weight < required || (shares < committee.Beacon.Required() && share != nil)
		if !wanted {
			continue
		}
		signers = append(signers, member.NodeID)
		weight += member.InitialWeight
		if share != nil {
			shares++
		}
	}
	return sortedIDs(signers)
}
