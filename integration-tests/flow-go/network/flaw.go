package network

import (
	"slices"

	"github.com/onflow/flow-go/model/flow"
)

// setupFlaw makes a setup invalid. It says false if it cannot.
type setupFlaw struct {
	name  string
	spoil func(n *Network, x *execution, setup *flow.EpochSetup) bool
}

// setupFlaws are the ways in which flow-go's IsValidExtendingEpochSetup, and the state
// machine after it, can refuse a setup.
var setupFlaws = []setupFlaw{
	{"counter skips one", func(_ *Network, _ *execution, s *flow.EpochSetup) bool { s.Counter++; return true }},
	{"counter of the current epoch", func(_ *Network, _ *execution, s *flow.EpochSetup) bool { s.Counter--; return true }},
	{"first view leaves a gap", func(_ *Network, _ *execution, s *flow.EpochSetup) bool { s.FirstView++; return true }},
	{"first view overlaps", func(_ *Network, _ *execution, s *flow.EpochSetup) bool { s.FirstView--; return true }},
	{"final view is the first", func(_ *Network, _ *execution, s *flow.EpochSetup) bool { s.FinalView = s.FirstView; return true }},
	{"random source too short", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		s.RandomSource = s.RandomSource[1:]
		return true
	}},
	{"random source too long", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		s.RandomSource = append(slices.Clone(s.RandomSource), 0)
		return true
	}},
	{"participant twice", func(n *Network, _ *execution, s *flow.EpochSetup) bool {
		at := n.random.IntN(len(s.Participants))
		s.Participants = slices.Insert(s.Participants, at, s.Participants[at])
		return true
	}},
	{"address twice", func(n *Network, _ *execution, s *flow.EpochSetup) bool {
		s.Participants[0].Address = s.Participants[n.random.Between(1, len(s.Participants)-1)].Address
		return true
	}},
	{"participants not in canonical order", func(n *Network, _ *execution, s *flow.EpochSetup) bool {
		at := n.random.Between(1, len(s.Participants)-1)
		s.Participants[at-1], s.Participants[at] = s.Participants[at], s.Participants[at-1]
		return true
	}},
	{"no consensus node", withoutWeight(flow.RoleConsensus)},
	{"no collection node", withoutWeight(flow.RoleCollection)},
	{"no execution node", withoutWeight(flow.RoleExecution)},
	{"no verification node", withoutWeight(flow.RoleVerification)},
	{"no cluster", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		s.Assignments = flow.AssignmentList{}
		return true
	}},
	{"empty cluster", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		s.Assignments = append(s.Assignments, flow.IdentifierList{})
		return true
	}},
	{"unknown node in a cluster", func(n *Network, _ *execution, s *flow.EpochSetup) bool {
		s.Assignments[0] = sortedIDs(append(s.Assignments[0], n.random.Identifier()))
		return true
	}},
	{"collector in two clusters", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		last := len(s.Assignments) - 1
		s.Assignments[last] = sortedIDs(append(s.Assignments[last], s.Assignments[0][0]))
		return true
	}},
	{"collector in no cluster", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		s.Assignments[0] = s.Assignments[0][1:]
		return true
	}},
	{"other role in a cluster", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		for _, participant := range s.Participants {
			if participant.Role == flow.RoleAccess || participant.Role == flow.RoleVerification {
				s.Assignments[0] = sortedIDs(append(s.Assignments[0], participant.NodeID))
				return true
			}
		}
		return false
	}},
	{"cluster not in canonical order", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		for _, cluster := range s.Assignments {
			if len(cluster) > 1 {
				slices.Reverse(cluster)
				return true
			}
		}
		return false
	}},
	{"collector without weight in a cluster", func(_ *Network, _ *execution, s *flow.EpochSetup) bool {
		collector, _ := s.Participants.ByNodeID(s.Assignments[0][0])
		collector.InitialWeight = 0
		return true
	}},
	{"ejected node admitted", func(n *Network, x *execution, s *flow.EpochSetup) bool {
		for _, identity := range x.entry.CurrentEpoch.ActiveIdentities {
			if _, listed := s.Participants.ByNodeID(identity.NodeID); identity.Ejected && !listed {
				old, _ := x.entry.CurrentEpochSetup.Participants.ByNodeID(identity.NodeID)
				readmitted := *old
				if readmitted.Role == flow.RoleCollection {
					readmitted.InitialWeight = 0 // it is in no cluster
				}
				s.Participants = canonical(append(s.Participants, &readmitted))
				return true
			}
		}
		return false
	}},
}

// withoutWeight takes the weight of all nodes of a role.
func withoutWeight(role flow.Role) func(*Network, *execution, *flow.EpochSetup) bool {
	return func(_ *Network, _ *execution, setup *flow.EpochSetup) bool {
		for _, participant := range setup.Participants {
			if participant.Role == role {
				participant.InitialWeight = 0
			}
		}
		return true
	}
}

// flawSetup returns the setup with a flaw drawn at random, and the flaw's name.
func (n *Network) flawSetup(x *execution, setup *flow.EpochSetup) (*flow.EpochSetup, string) {
	for {
		flaw := pick(n.random, setupFlaws)
		flawed := copySetup(setup)
		if flaw.spoil(n, x, flawed) {
			return flawed, flaw.name
		}
	}
}

// copySetup copies a setup as deep as flaws reach.
func copySetup(setup *flow.EpochSetup) *flow.EpochSetup {
	out := *setup
	out.Participants = make(flow.IdentitySkeletonList, 0, len(setup.Participants))
	for _, participant := range setup.Participants {
		own := *participant
		out.Participants = append(out.Participants, &own)
	}
	out.Assignments = make(flow.AssignmentList, 0, len(setup.Assignments))
	for _, cluster := range setup.Assignments {
		out.Assignments = append(out.Assignments, slices.Clone(cluster))
	}
	return &out
}
