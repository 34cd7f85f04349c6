// Package folder reads and writes chain folders: a root snapshot, the blocks of a chain as an access
// node sends them, and what is expected of each block. Its files are described in
// integration-tests/vectors/README.md.
package folder

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/golang/protobuf/proto" //nolint:staticcheck // what flow-go's messages are made with
	"github.com/onflow/flow/protobuf/go/flow/entities"

	"github.com/onflow/flow-go/engine/common/rpc/convert"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol/inmem"
)

// Chain is a chain folder in memory.
type Chain struct {
	// Root is the snapshot that a node starts from.
	Root *inmem.Snapshot
	// Blocks are all blocks, parents first; the first one is the head of Root.
	Blocks []*flow.Block
	// Expected has one row for each block, in the same order.
	Expected []Expected
	// EpochStates and ProtocolStates are the rows of the states that blocks commit to, by ID.
	EpochStates, ProtocolStates map[string]json.RawMessage
	// Scenario is what the folder says of the chain.
	Scenario Scenario
}

// Expected is what a chain folder says of a block. Identifiers are in hexadecimal digits.
type Expected struct {
	BlockID                string   `json:"block_id"`
	CertifyingQC           QC       `json:"certifying_qc"`
	ProposerSigData        hexBytes `json:"proposer_sig_data"`
	Finalized              bool     `json:"finalized"`
	EpochCounter           uint64   `json:"epoch_counter"`
	EpochPhase             string   `json:"epoch_phase"`
	EpochFallbackTriggered bool     `json:"epoch_fallback_triggered"`
	EpochStateID           string   `json:"epoch_state_id"`
	ProtocolStateID        string   `json:"protocol_state_id"`
	ProtocolStateVersion   uint64   `json:"protocol_state_version"`
	LastSealedBlockID      string   `json:"last_sealed_block_id"`
}

// Certified says whether the block has a certificate; a block that gathered no quorum has none.
func (expected *Expected) Certified() bool {
	return expected.CertifyingQC.BlockID != flow.ZeroID
}

// QC is a quorum certificate as a chain folder writes it.
type QC struct {
	View          uint64          `json:"view"`
	BlockID       flow.Identifier `json:"block_id"`
	SignerIndices hexBytes        `json:"signer_indices"`
	SigData       hexBytes        `json:"sig_data"`
}

// Flow returns the certificate as flow-go's type.
func (qc QC) Flow() (*flow.QuorumCertificate, error) {
	return flow.NewQuorumCertificate(flow.UntrustedQuorumCertificate{
		View: qc.View, BlockID: qc.BlockID, SignerIndices: qc.SignerIndices, SigData: qc.SigData,
	})
}

// Read reads a chain folder. Files may be compressed with gzip, and then end in ".gz".
func Read(dir string) (*Chain, error) {
	chain := &Chain{}
	var err error
	if chain.Root, err = ReadSnapshot(filepath.Join(dir, "root-protocol-state-snapshot.json")); err != nil {
		return nil, err
	}
	if chain.Blocks, err = readBlocks(filepath.Join(dir, "blocks.pb")); err != nil {
		return nil, err
	}
	if chain.Expected, err = readRows[Expected](filepath.Join(dir, "expected.jsonl")); err != nil {
		return nil, err
	}
	if len(chain.Expected) != len(chain.Blocks) {
		return nil, fmt.Errorf("%s: %d rows for %d blocks", dir, len(chain.Expected), len(chain.Blocks))
	}
	if chain.EpochStates, err = readStates(filepath.Join(dir, "epoch_states.jsonl"), "epoch_state_id"); err != nil {
		return nil, err
	}
	if chain.ProtocolStates, err = readStates(filepath.Join(dir, "kv_states.jsonl"), "protocol_state_id"); err != nil {
		return nil, err
	}
	scenario, err := readFile(filepath.Join(dir, "scenario.json"))
	if err != nil {
		return nil, err
	}
	return chain, json.Unmarshal(scenario, &chain.Scenario)
}

// readStates reads rows by the ID that each has under a name.
func readStates(path, name string) (map[string]json.RawMessage, error) {
	rows, err := readRows[json.RawMessage](path)
	if err != nil {
		return nil, err
	}
	states := make(map[string]json.RawMessage, len(rows))
	for index, row := range rows {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal(row, &fields); err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", path, index, err)
		}
		var id string
		if err := json.Unmarshal(fields[name], &id); err != nil {
			return nil, fmt.Errorf("%s: row %d: %s: %w", path, index, name, err)
		}
		states[id] = row
	}
	return states, nil
}

// ReadSnapshot reads a protocol state snapshot, as flow-go and the Access API write it.
func ReadSnapshot(path string) (*inmem.Snapshot, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	return Snapshot(data)
}

// Snapshot decodes a protocol state snapshot.
func Snapshot(data []byte) (*inmem.Snapshot, error) {
	var encodable inmem.EncodableSnapshot
	if err := json.Unmarshal(data, &encodable); err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return inmem.SnapshotFromEncodable(encodable), nil
}

func readBlocks(path string) ([]*flow.Block, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var blocks []*flow.Block
	for len(data) > 0 {
		if len(data) < 4 {
			return nil, fmt.Errorf("%s: a length of %d bytes behind block %d", path, len(data), len(blocks))
		}
		length := int(binary.BigEndian.Uint32(data))
		if len(data)-4 < length {
			return nil, fmt.Errorf("%s: block %d is cut short", path, len(blocks))
		}
		block, err := Block(data[4 : 4+length])
		if err != nil {
			return nil, fmt.Errorf("%s: block %d: %w", path, len(blocks), err)
		}
		blocks = append(blocks, block)
		data = data[4+length:]
	}
	return blocks, nil
}

// Block decodes a block as a full block response of the Access API carries it.
func Block(message []byte) (*flow.Block, error) {
	var block entities.Block
	if err := proto.Unmarshal(message, &block); err != nil {
		return nil, err
	}
	return convert.MessageToBlock(&block)
}

// readRows reads a file of one JSON value a line.
func readRows[T any](path string) ([]T, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	var rows []T
	decoder := json.NewDecoder(bufio.NewReader(bytes.NewReader(data)))
	for {
		var row T
		err := decoder.Decode(&row)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: row %d: %w", path, len(rows), err)
		}
		rows = append(rows, row)
	}
}

func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return data, err
	}
	file, err := os.Open(path + ".gz")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("%s.gz: %w", path, err)
	}
	return io.ReadAll(unpacked)
}

// Proposal returns the block with an index, with its proposer's signature where the folder has one.
func (chain *Chain) Proposal(index int) *flow.Proposal {
	return &flow.Proposal{Block: *chain.Blocks[index], ProposerSigData: chain.Expected[index].ProposerSigData}
}

// Failed says of an error which block it is about.
func (chain *Chain) Failed(index int, err error) error {
	block := chain.Blocks[index]
	return fmt.Errorf("block %d (%v, height %d, view %d): %w", index, block.ID(), block.Height, block.View, err)
}
