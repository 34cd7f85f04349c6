package network

import (
	"slices"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
)

// commitFlaw makes a commit of a setup invalid. It says false if it cannot.
type commitFlaw struct {
	name  string
	spoil func(n *Network, setup *flow.EpochSetup, commit *flow.EpochCommit) (bool, error)
}

// commitFlaws are the ways in which flow-go's IsValidEpochCommit can refuse a commit
// that its decoder lets through. The decoder refuses a missing group key, no cluster
// certificate at all, and an index map that is no permutation of the keys: a node
// cannot even read a block with such a commit.
var commitFlaws = []commitFlaw{
	{"counter skips one", func(_ *Network, _ *flow.EpochSetup, c *flow.EpochCommit) (bool, error) {
		c.Counter++
		return true, nil
	}},
	{"counter of the current epoch", func(_ *Network, _ *flow.EpochSetup, c *flow.EpochCommit) (bool, error) {
		c.Counter--
		return true, nil
	}},
	{"cluster certificate missing", func(_ *Network, _ *flow.EpochSetup, c *flow.EpochCommit) (bool, error) {
		if len(c.ClusterQCs) < 2 {
			return false, nil
		}
		c.ClusterQCs = c.ClusterQCs[1:]
		return true, nil
	}},
	{"cluster certificate too many", func(_ *Network, _ *flow.EpochSetup, c *flow.EpochCommit) (bool, error) {
		c.ClusterQCs = append(slices.Clone(c.ClusterQCs), c.ClusterQCs[0])
		return true, nil
	}},
	{"no DKG indices", func(_ *Network, _ *flow.EpochSetup, c *flow.EpochCommit) (bool, error) {
		c.DKGIndexMap = nil
		return true, nil
	}},
	{"DKG of strangers", func(n *Network, setup *flow.EpochSetup, c *flow.EpochCommit) (bool, error) {
		strangers := setup.Participants.Filter(filter.Not(filter.IsConsensusCommitteeMember)).NodeIDs()
		beacon, err := n.newBeacon(append(strangers, setup.Participants.Filter(filter.IsConsensusCommitteeMember)[0].NodeID))
		if err != nil {
			return false, err
		}
		c.DKGGroupKey, c.DKGParticipantKeys, c.DKGIndexMap = beacon.GroupKey, beacon.PublicKey, beacon.IndexMap()
		return true, nil
	}},
}

// flawCommit returns the commit with a flaw drawn at random, and the flaw's name.
func (n *Network) flawCommit(setup *flow.EpochSetup, commit *flow.EpochCommit) (*flow.EpochCommit, string, error) {
	for {
		flaw := pick(n.random, commitFlaws)
		flawed := *commit
		done, err := flaw.spoil(n, setup, &flawed)
		if err != nil || done {
			return &flawed, flaw.name, err
		}
	}
}

// flawRecover flaws one part of a recovery.
func (n *Network) flawRecover(x *execution, setup *flow.EpochSetup, commit *flow.EpochCommit) (*flow.EpochSetup, *flow.EpochCommit, string, error) {
	if n.random.Chance(0.6) {
		flawed, flaw := n.flawSetup(x, setup)
		return flawed, commit, flaw, nil
	}
	flawed, flaw, err := n.flawCommit(setup, commit)
	return setup, flawed, flaw, err
}
