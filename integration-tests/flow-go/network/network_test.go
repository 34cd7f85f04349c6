package network

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol/datastore"
	"github.com/onflow/flow-go/state/protocol/inmem"
)

func newNetwork(t *testing.T, seed uint64, config Config) *Network {
	t.Helper()
	n, err := New(seed, config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	return n
}

func steps(t *testing.T, n *Network, count int) {
	t.Helper()
	for range count {
		_, err := n.Step()
		require.NoError(t, err)
	}
}

func TestOneSeedGivesOneChain(t *testing.T) {
	tips := make(map[flow.Identifier]int)
	for _, seed := range []uint64{3, 3, 4} {
		n := newNetwork(t, seed, VariedConfig(3))
		steps(t, n, 40)
		tips[n.Newest().ID]++
	}
	require.Len(t, tips, 2)
}

func TestHappyNetworkCrossesAnEpochAndSeals(t *testing.T) {
	config := HappyConfig()
	config.EpochViews = 60
	n := newNetwork(t, 5, config)
	steps(t, n, 65)
	state, err := n.State.At(n.Newest().ID).EpochProtocolState()
	require.NoError(t, err)
	require.EqualValues(t, rootEpochCounter+1, state.Epoch())
	require.False(t, state.EpochFallbackTriggered())
	// Without timeouts, the third block after a block finalizes it, and seals follow closely.
	require.Equal(t, n.Newest().Height()-2, n.Finalized().Height())
	require.Greater(t, n.Newest().LastSealed.Height()+12, n.Newest().Height())
}

func TestFlowGoBootsFromASnapshot(t *testing.T) {
	n := newNetwork(t, 6, HappyConfig())
	steps(t, n, 30)
	snapshot, err := inmem.FromSnapshot(n.State.At(n.Finalized().ID))
	require.NoError(t, err)
	require.NoError(t, datastore.IsValidRootSnapshot(snapshot, true))
	require.NoError(t, datastore.IsValidRootSnapshotQCs(snapshot))
}

func TestFlowGoRefusesAChangedCandidate(t *testing.T) {
	n := newNetwork(t, 7, HappyConfig())
	steps(t, n, 30)
	parent := n.Newest()
	block, err := n.Unsigned(parent, parent.View()+1)
	require.NoError(t, err)
	spoils := map[string]func(block *flow.Block){
		"proposer":       func(b *flow.Block) { b.ProposerID = n.otherMember(t, b.View, b.ProposerID) },
		"protocol state": func(b *flow.Block) { b.Payload.ProtocolStateID[0]++ },
		"height":         func(b *flow.Block) { b.Height++ },
		"certificate":    func(b *flow.Block) { b.ParentVoterSigData = n.Finalized().QC.SigData },
		"receipt twice": func(b *flow.Block) {
			b.Payload.Receipts = append(b.Payload.Receipts, parent.Parent.Block().Payload.Receipts...)
		},
	}
	for name, spoil := range spoils {
		t.Run(name, func(t *testing.T) {
			spoilt := *block
			spoil(&spoilt)
			proposal, err := n.Propose(spoilt)
			require.NoError(t, err)
			require.Error(t, n.State.Check(proposal))
		})
	}
	proposal, err := n.Propose(*block)
	require.NoError(t, err)
	_, err = n.Add(proposal)
	require.NoError(t, err)
}

// otherMember returns a committee member that is not the given one.
func (n *Network) otherMember(t *testing.T, view uint64, not flow.Identifier) flow.Identifier {
	t.Helper()
	committee, err := n.Committee(view)
	require.NoError(t, err)
	for _, member := range committee.Members {
		if member.NodeID != not {
			return member.NodeID
		}
	}
	t.Fatal("committee has one member")
	return flow.ZeroID
}
