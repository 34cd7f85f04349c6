package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
	"github.com/onflow/flow-go/module/signature"
	"github.com/onflow/flow-go/state/protocol"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
)

// Recording describes all that the network made, for its chain folder.
func (n *Network) Recording(name string) (*folder.Recording, error) {
	recording := &folder.Recording{
		Root: n.Root,
		Scenario: folder.Scenario{
			Blocks: len(n.Records), ChainID: n.Records[0].Block().ChainID.String(),
			RootHeight: n.config.RootHeight, RootView: n.config.RootView,
			Scenario: name, SporkID: n.Records[0].ID.String(),
		},
	}
	states := make(map[flow.Identifier]bool)
	for _, record := range n.Records {
		if record.Finalized {
			recording.Scenario.Finalized++
		}
		if err := n.recordBlock(recording, record); err != nil {
			return nil, fmt.Errorf("block at height %d: %w", record.Height(), err)
		}
		if err := n.recordStates(recording, record, states); err != nil {
			return nil, fmt.Errorf("states of block at height %d: %w", record.Height(), err)
		}
		if err := n.recordEvents(recording, record); err != nil {
			return nil, fmt.Errorf("events of block at height %d: %w", record.Height(), err)
		}
	}
	root, final := n.Records[0].Height(), n.finalized.Height()
	for _, height := range []uint64{root + (final-root)*2/5, final} {
		if height > root {
			recording.Snapshots = append(recording.Snapshots, n.State.State.AtHeight(height))
		}
	}
	return recording, nil
}

// recordBlock adds a block and what is expected of it.
func (n *Network) recordBlock(recording *folder.Recording, record *Record) error {
	snapshot := n.State.At(record.ID)
	epochState, err := snapshot.EpochProtocolState()
	if err != nil {
		return err
	}
	store, err := snapshot.ProtocolState()
	if err != nil {
		return err
	}
	voters, err := n.parentVoters(record)
	if err != nil {
		return err
	}
	recorded := folder.RecordedBlock{Block: record.Block(), ParentVoterIDs: voters}
	row := &recorded.Expected
	row.Describe(record.Block())
	row.CertifyingQC = folder.NewQC(record.QC)
	row.ProposerSigData = record.Proposal.ProposerSigData
	row.Finalized = record.Finalized
	row.EpochCounter = epochState.Epoch()
	// A block's epoch is the one that its view falls in, and that epoch's committee certifies it.
	row.CommitteeEpochCounter = epochState.Epoch()
	row.EpochPhase = epochState.EpochPhase().String()
	row.EpochFallbackTriggered = epochState.EpochFallbackTriggered()
	row.EpochStateID = store.GetEpochStateID().String()
	row.ProtocolStateVersion = store.GetProtocolStateVersion()
	row.LastSealedBlockID = record.LastSealed.ID.String()
	row.ExecutionResultID = record.Result.ID().String()
	recording.Blocks = append(recording.Blocks, recorded)
	return nil
}

// parentVoters returns the signers of the certificate in a block.
func (n *Network) parentVoters(record *Record) (flow.IdentifierList, error) {
	if record.Parent == nil {
		return nil, nil
	}
	current, err := n.epochAt(record.Parent)
	if err != nil {
		return nil, err
	}
	members := current.InitialIdentities().Filter(filter.IsConsensusCommitteeMember)
	return signature.DecodeSignerIndicesToIdentifiers(members.NodeIDs(), record.Block().ParentVoterIndices)
}

func (n *Network) epochAt(record *Record) (protocol.CommittedEpoch, error) {
	return n.State.At(record.ID).Epochs().Current()
}

// recordStates adds the states of a block that no block before it has.
func (n *Network) recordStates(recording *folder.Recording, record *Record, known map[flow.Identifier]bool) error {
	snapshot := n.State.At(record.ID)
	store, err := snapshot.ProtocolState()
	if err != nil {
		return err
	}
	if known[store.ID()] {
		return nil
	}
	known[store.ID()] = true
	row, err := folder.NewProtocolStateRow(store)
	if err != nil {
		return err
	}
	recording.ProtocolStates = append(recording.ProtocolStates, row)
	if known[store.GetEpochStateID()] {
		return nil
	}
	known[store.GetEpochStateID()] = true
	epochState, err := snapshot.EpochProtocolState()
	if err != nil {
		return err
	}
	recording.EpochStates = append(recording.EpochStates, folder.NewEpochStateRow(epochState.Entry()))
	return nil
}

// recordEvents adds the events that a block emitted, and the story of those it seals.
func (n *Network) recordEvents(recording *folder.Recording, record *Record) error {
	for _, emission := range record.Emissions {
		row, err := folder.NewServiceEventRow(record.ID, emission.Event)
		if err != nil {
			return err
		}
		recording.ServiceEvents = append(recording.ServiceEvents, row)
		if record.Parent != nil {
			n.tell(recording, "%s: emitted by the execution of block height %d view %d",
				emission.Name, record.Height(), record.View())
		}
	}
	for _, seal := range record.Block().Payload.Seals {
		sealed, err := n.Record(seal.BlockID)
		if err != nil {
			return err
		}
		for _, emission := range sealed.Emissions {
			n.tell(recording, "%s: sealed by block height %d view %d, phase now %s", emission.Name,
				record.Height(), record.View(), recording.Blocks[len(recording.Blocks)-1].Expected.EpochPhase)
		}
	}
	return nil
}

func (n *Network) tell(recording *folder.Recording, format string, values ...any) {
	recording.Scenario.Story = append(recording.Scenario.Story, fmt.Sprintf(format, values...))
}
