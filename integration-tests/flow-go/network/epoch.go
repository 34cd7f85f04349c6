package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
	"github.com/onflow/flow-go/state/protocol"
)

// newSetup sets up an epoch for participants that are in canonical order.
func (n *Network) newSetup(counter, firstView, finalView uint64, participants flow.IdentitySkeletonList) *flow.EpochSetup {
	views := finalView - firstView
	return &flow.EpochSetup{
		Counter:            counter,
		FirstView:          firstView,
		DKGPhase1FinalView: firstView + views/4,
		DKGPhase2FinalView: firstView + views*3/8,
		DKGPhase3FinalView: firstView + views/2,
		FinalView:          finalView,
		Participants:       participants,
		Assignments:        n.assignClusters(participants),
		RandomSource:       n.random.Bytes(flow.EpochSetupRandomSourceLength),
		TargetDuration:     views,
		TargetEndTime:      rootTimestamp/1000 + finalView - n.config.RootView,
	}
}

// newCommit commits an epoch that was set up, with votes of its clusters and a beacon.
func (n *Network) newCommit(setup *flow.EpochSetup, beacon *Beacon) (*flow.EpochCommit, error) {
	votes, err := n.clusterVotes(setup)
	if err != nil {
		return nil, err
	}
	return flow.NewEpochCommit(flow.UntrustedEpochCommit{
		Counter:            setup.Counter,
		ClusterQCs:         votes,
		DKGGroupKey:        beacon.GroupKey,
		DKGParticipantKeys: beacon.PublicKey,
		DKGIndexMap:        beacon.IndexMap(),
	})
}

// epochBeacon runs the DKG of an epoch. Now and then a consensus node does not take
// part in it, or comes out without a key share.
func (n *Network) epochBeacon(setup *flow.EpochSetup) (*Beacon, error) {
	committee := setup.Participants.Filter(filter.IsConsensusCommitteeMember).NodeIDs()
	members := committee
	if n.random.Chance(0.5) {
		members = shuffled(n.random, members)
	}
	// One less key share may still be one more than a group signature needs.
	if len(members) > minConsensus && n.random.Chance(0.4) {
		members = members[:len(members)-1]
	} else if n.random.Chance(0.2) {
		return n.newBeacon(members, pick(n.random, members))
	}
	return n.newBeacon(members)
}

// recoveryBeacon returns the beacon of an epoch that a recovery sets up: the current
// epoch's keys, as no DKG succeeded, when enough of their holders are in the committee.
func (n *Network) recoveryBeacon(setup *flow.EpochSetup, current *flow.EpochCommit) (*Beacon, error) {
	beacon, ok := n.beacons[current.DKGGroupKey.String()]
	if !ok {
		return nil, fmt.Errorf("no private keys for the beacon of epoch %d", current.Counter)
	}
	holders := beacon.Holders(setup.Participants.Filter(filter.IsConsensusCommitteeMember).NodeIDs())
	safe := len(holders) >= beacon.Required() &&
		uint(len(holders)) >= protocol.RandomBeaconSafetyThreshold(uint(len(beacon.Members)))
	if safe && n.random.Chance(0.7) {
		return beacon, nil
	}
	return n.epochBeacon(setup)
}

// nextParticipants plans who takes part in the next epoch: nodes that are not ejected
// stay or leave, others join, and some change their weight.
func (n *Network) nextParticipants(current flow.IdentitySkeletonList, ejected func(flow.Identifier) bool) (flow.IdentitySkeletonList, error) {
	var participants flow.IdentitySkeletonList
	count := make(map[flow.Role]int)
	for _, old := range current {
		if ejected(old.NodeID) || n.random.Chance(0.06) {
			continue
		}
		participant := *old
		if n.random.Chance(0.15) {
			participant.InitialWeight = n.drawWeight()
		}
		participants = append(participants, &participant)
		if participant.InitialWeight > 0 {
			count[participant.Role]++
		}
	}
	joining, err := n.joiningNodes(count)
	if err != nil {
		return nil, err
	}
	return canonical(append(participants, joining...)), nil
}

// joiningNodes makes as many new nodes as the roles need, sometimes one more.
func (n *Network) joiningNodes(count map[flow.Role]int) (flow.IdentitySkeletonList, error) {
	wanted := []struct {
		role flow.Role
		min  int
	}{
		{flow.RoleConsensus, minConsensus}, {flow.RoleCollection, minCollection},
		{flow.RoleExecution, minExecution}, {flow.RoleVerification, minVerification + 1},
		{flow.RoleAccess, 0},
	}
	var nodes flow.IdentitySkeletonList
	join := func(role flow.Role, weight uint64) error {
		node, err := n.newNode(role, weight)
		if err == nil {
			nodes = append(nodes, &node.IdentitySkeleton)
		}
		return err
	}
	for _, want := range wanted {
		joining := max(want.min-count[want.role], 0)
		if n.random.Chance(0.2) {
			joining++
		}
		for range joining {
			if err := join(want.role, n.drawWeight()); err != nil {
				return nil, err
			}
		}
	}
	if n.random.Chance(0.15) { // weight zero: the node is listed, but does not take part
		if err := join(pick(n.random, weightlessRoles), 0); err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

var weightlessRoles = []flow.Role{flow.RoleConsensus, flow.RoleVerification, flow.RoleAccess, flow.RoleCollection}
