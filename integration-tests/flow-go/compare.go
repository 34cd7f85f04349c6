package main

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/onflow/flow-go/state/protocol"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
)

// comparison holds blocks' states in a node against what a folder expects. It has the IDs of the states that
// were compared already: a state is the same wherever its ID is.
type comparison map[string]bool

// block compares what follows from the block with an index.
func (compared comparison) block(chain *folder.Chain, index int, snapshot protocol.Snapshot) error {
	expected := &chain.Expected[index]
	state, err := snapshot.EpochProtocolState()
	if err != nil {
		return err
	}
	store, err := snapshot.ProtocolState()
	if err != nil {
		return err
	}
	sealed, _, err := snapshot.SealedResult()
	if err != nil {
		return err
	}
	facts := []struct{ name, found, expected string }{
		{"block ID", chain.Blocks[index].ID().String(), expected.BlockID},
		{"protocol state", store.ID().String(), expected.ProtocolStateID},
		{"protocol state version", fmt.Sprint(store.GetProtocolStateVersion()), fmt.Sprint(expected.ProtocolStateVersion)},
		{"epoch state", store.GetEpochStateID().String(), expected.EpochStateID},
		{"epoch counter", fmt.Sprint(state.Epoch()), fmt.Sprint(expected.EpochCounter)},
		{"epoch phase", state.EpochPhase().String(), expected.EpochPhase},
		{"fallback", fmt.Sprint(state.EpochFallbackTriggered()), fmt.Sprint(expected.EpochFallbackTriggered)},
		{"last sealed block", sealed.BlockID.String(), expected.LastSealedBlockID},
	}
	for _, fact := range facts {
		if fact.found != fact.expected {
			return fmt.Errorf("%s is %s, expected %s", fact.name, fact.found, fact.expected)
		}
	}
	storeRow, err := folder.NewProtocolStateRow(store)
	if err != nil {
		return err
	}
	if err := compared.row(expected.ProtocolStateID, storeRow, chain.ProtocolStates); err != nil {
		return err
	}
	return compared.row(expected.EpochStateID, folder.NewEpochStateRow(state.Entry()), chain.EpochStates)
}

// row compares a state with the folder's row of it, identity tables included.
func (compared comparison) row(id string, found any, rows map[string]json.RawMessage) error {
	if compared[id] {
		return nil
	}
	row, ok := rows[id]
	if !ok {
		return fmt.Errorf("the folder has no row for the state %s", id)
	}
	text, err := json.Marshal(found)
	if err != nil {
		return err
	}
	var have, want any
	if err := json.Unmarshal(text, &have); err != nil {
		return err
	}
	if err := json.Unmarshal(row, &want); err != nil {
		return err
	}
	if !reflect.DeepEqual(have, want) {
		return fmt.Errorf("state %s is %s, expected %s", id, text, row)
	}
	compared[id] = true
	return nil
}
