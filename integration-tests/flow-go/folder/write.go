package folder

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/golang/protobuf/proto" //nolint:staticcheck // what flow-go's messages are made with

	"github.com/onflow/flow-go/engine/common/rpc/convert"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
)

// Recording is what is written of a chain.
type Recording struct {
	Scenario Scenario
	Root     protocol.Snapshot
	Blocks   []RecordedBlock
	// ProtocolStates, EpochStates and ServiceEvents are in the order of their first block.
	ProtocolStates []ProtocolStateRow
	EpochStates    []EpochStateRow
	ServiceEvents  []ServiceEventRow
	// Snapshots are taken at finalized blocks above the root, lowest first.
	Snapshots []protocol.Snapshot
}

// Scenario is the file scenario.json: what the chain is and what happens in it.
type Scenario struct {
	Blocks int `json:"blocks"`
	// ChunkAlpha is how many verifiers are assigned to a chunk; 0 is flow-go's default.
	ChunkAlpha uint     `json:"chunk_alpha,omitempty"`
	ChainID    string   `json:"chain_id"`
	Finalized  int      `json:"finalized"`
	RootHeight uint64   `json:"root_height"`
	RootView   uint64   `json:"root_view"`
	Scenario   string   `json:"scenario"`
	SporkID    string   `json:"spork_id"`
	Story      []string `json:"story"`
}

// RecordedBlock is a block with what is expected of it.
type RecordedBlock struct {
	Block *flow.Block
	// ParentVoterIDs are the signers of the certificate in the block.
	ParentVoterIDs flow.IdentifierList
	Expected       ExpectedRow
}

// Write writes a chain folder, which must not exist or be empty. The same recording
// gives the same bytes.
func Write(dir string, recording *Recording) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	present, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(present) > 0 {
		return fmt.Errorf("%s is not empty: give the chain a folder of its own", dir)
	}
	files := []struct {
		name   string
		encode func(*Recording) ([]byte, error)
	}{
		{"root-protocol-state-snapshot.json", encodeRoot},
		{"blocks.pb", encodeBlocks},
		{"expected.jsonl", encodeExpected},
		{"kv_states.jsonl", func(r *Recording) ([]byte, error) { return encodeRows(r.ProtocolStates) }},
		{"epoch_states.jsonl", func(r *Recording) ([]byte, error) { return encodeRows(r.EpochStates) }},
		{"service_events.jsonl", func(r *Recording) ([]byte, error) { return encodeRows(r.ServiceEvents) }},
	}
	for _, file := range files {
		data, err := file.encode(recording)
		if err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		if err := writeCompressed(filepath.Join(dir, file.name), data); err != nil {
			return err
		}
	}
	if err := writeSnapshots(dir, recording.Snapshots); err != nil {
		return err
	}
	scenario, err := json.MarshalIndent(recording.Scenario, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "scenario.json"), scenario, 0o644)
}

func writeSnapshots(dir string, snapshots []protocol.Snapshot) error {
	for index, snapshot := range snapshots {
		head, err := snapshot.Head()
		if err != nil {
			return fmt.Errorf("snapshot %d has no head: %w", index+1, err)
		}
		data, err := convert.SnapshotToBytes(snapshot)
		if err != nil {
			return fmt.Errorf("snapshot at height %d: %w", head.Height, err)
		}
		name := fmt.Sprintf("snapshot-%d-height-%d.json", index+1, head.Height)
		if err := writeCompressed(filepath.Join(dir, name), data); err != nil {
			return err
		}
	}
	return nil
}

func encodeRoot(recording *Recording) ([]byte, error) {
	return convert.SnapshotToBytes(recording.Root)
}

func encodeBlocks(recording *Recording) ([]byte, error) {
	var out []byte
	for _, recorded := range recording.Blocks {
		data, err := Message(recorded.Block, recorded.ParentVoterIDs)
		if err != nil {
			return nil, fmt.Errorf("block at height %d: %w", recorded.Block.Height, err)
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		out = append(out, data...)
	}
	return out, nil
}

// Message encodes a block as a full block response of the Access API carries it.
func Message(block *flow.Block, parentVoterIDs flow.IdentifierList) ([]byte, error) {
	message, err := convert.BlockToMessage(block, parentVoterIDs)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(message)
}

func encodeExpected(recording *Recording) ([]byte, error) {
	rows := make([]ExpectedRow, 0, len(recording.Blocks))
	for _, recorded := range recording.Blocks {
		rows = append(rows, recorded.Expected)
	}
	return encodeRows(rows)
}

// encodeRows writes one JSON value a line.
func encodeRows[T any](rows []T) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	for _, row := range rows {
		if err := encoder.Encode(row); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

// writeCompressed writes a file with gzip, under its name with ".gz".
func writeCompressed(path string, data []byte) error {
	var out bytes.Buffer
	packer := gzip.NewWriter(&out)
	if _, err := packer.Write(data); err != nil {
		return err
	}
	if err := packer.Close(); err != nil {
		return err
	}
	return os.WriteFile(path+".gz", out.Bytes(), 0o644)
}
