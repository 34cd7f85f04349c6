package network

import (
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/onflow/flow-go/engine/common/rpc/convert"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
	"github.com/onflow/flow-go/state/protocol/protocol_state/epochs"
	"github.com/onflow/flow-go/state/protocol/protocol_state/pubsub"
)

// executionAtRoot returns what the contracts see at the root, with one node ejected.
func executionAtRoot(t *testing.T, n *Network) *execution {
	t.Helper()
	epochState, err := n.State.At(n.Newest().ID).EpochProtocolState()
	require.NoError(t, err)
	entry := epochState.Entry().EpochStateEntry.Copy()
	entry.CurrentEpoch.ActiveIdentities[0].Ejected = true
	rich, err := flow.NewRichEpochStateEntry(entry)
	require.NoError(t, err)
	return &execution{view: n.Newest().View(), entry: rich, phase: flow.EpochPhaseStaking}
}

// machine returns flow-go's state machine for the happy path.
func machine(t *testing.T, x *execution) *epochs.HappyPathStateMachine {
	t.Helper()
	sm, err := epochs.NewHappyPathStateMachine(pubsub.NewLogConsumer(zerolog.Nop()), x.view+1, x.entry)
	require.NoError(t, err)
	return sm
}

// requireReadable checks that flow-go reads an event back as it was written.
func requireReadable(t *testing.T, event flow.ServiceEvent) {
	t.Helper()
	message, err := convert.ServiceEventToMessage(event)
	require.NoError(t, err)
	read, err := convert.MessageToServiceEvent(message)
	require.NoError(t, err)
	require.Equal(t, flow.MakeID(event.Event), flow.MakeID(read.Event))
}

func TestFlowGoRefusesEveryFlawedSetup(t *testing.T) {
	n := newNetwork(t, 1, HappyConfig())
	x := executionAtRoot(t, n)
	for _, flaw := range setupFlaws {
		t.Run(flaw.name, func(t *testing.T) {
			setup, err := n.nextSetup(x)
			require.NoError(t, err)
			accepted, err := machine(t, x).ProcessEpochSetup(setup)
			require.NoError(t, err)
			require.True(t, accepted)

			flawed := copySetup(setup)
			require.True(t, flaw.spoil(n, x, flawed))
			requireReadable(t, flawed.ServiceEvent())
			_, err = machine(t, x).ProcessEpochSetup(flawed)
			require.True(t, protocol.IsInvalidServiceEventError(err), "flow-go says: %v", err)
		})
	}
}

func TestFlowGoRefusesEveryFlawedCommit(t *testing.T) {
	n := newNetwork(t, 2, HappyConfig())
	x := executionAtRoot(t, n)
	setup, err := n.nextSetup(x)
	require.NoError(t, err)
	afterSetup := func() *epochs.HappyPathStateMachine {
		sm := machine(t, x)
		_, err := sm.ProcessEpochSetup(setup)
		require.NoError(t, err)
		return sm
	}
	for _, flaw := range commitFlaws {
		t.Run(flaw.name, func(t *testing.T) {
			commit, err := n.nextCommit(setup)
			require.NoError(t, err)
			accepted, err := afterSetup().ProcessEpochCommit(commit)
			require.NoError(t, err)
			require.True(t, accepted)

			flawed := *commit
			spoilt, err := flaw.spoil(n, setup, &flawed)
			require.NoError(t, err)
			require.True(t, spoilt)
			requireReadable(t, flawed.ServiceEvent())
			_, err = afterSetup().ProcessEpochCommit(&flawed)
			require.True(t, protocol.IsInvalidServiceEventError(err), "flow-go says: %v", err)
		})
	}
}
