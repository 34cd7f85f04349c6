package network

import (
	"fmt"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol/inmem"
)

// Network is a Flow network with every private key, and the tree of blocks it made.
// It is not safe for concurrent use.
type Network struct {
	// State is the flow-go node that checked and keeps every block.
	State *State
	// Root is the snapshot that the network starts from.
	Root *inmem.Snapshot
	// Records are the blocks in the order they were made, the root first.
	Records []*Record

	seed    uint64
	config  Config
	random  *Random
	byID    map[flow.Identifier]*Record
	nodes   map[flow.Identifier]*Node
	beacons map[string]*Beacon
	// planned are the commits of setups by the setup's ID, so that all forks see the same.
	planned   map[flow.Identifier]*flow.EpochCommit
	receipts  map[receiptKey]*flow.ExecutionReceiptStub
	approvals map[approvalKey][]byte

	recentGuarantees []*flow.CollectionGuarantee
	// lockedView is the newest view whose certificate two thirds of the replicas know:
	// they vote for no block, and report no timeout, with an older one.
	lockedView uint64
	finalized  *Record
}

// New makes a network of a seed, with nothing but its root block.
func New(seed uint64, config Config) (*Network, error) {
	n := &Network{
		seed: seed, config: config, random: NewRandom(seed, "choices"),
		byID:      make(map[flow.Identifier]*Record),
		nodes:     make(map[flow.Identifier]*Node),
		beacons:   make(map[string]*Beacon),
		planned:   make(map[flow.Identifier]*flow.EpochCommit),
		receipts:  make(map[receiptKey]*flow.ExecutionReceiptStub),
		approvals: make(map[approvalKey][]byte),
	}
	root, err := n.makeRoot()
	if err != nil {
		return nil, fmt.Errorf("could not make root: %w", err)
	}
	n.State, err = newState(n.Root)
	if err != nil {
		return nil, err
	}
	root.LastSealed = root
	root.Finalized = true
	n.finalized = root
	n.lockedView = root.View()
	n.keep(root)
	return n, nil
}

// Record returns the record of a block that the network made.
func (n *Network) Record(blockID flow.Identifier) (*Record, error) {
	record, ok := n.byID[blockID]
	if !ok {
		return nil, fmt.Errorf("no block has the ID %v", blockID)
	}
	return record, nil
}

// Newest is the block of the highest view.
func (n *Network) Newest() *Record { return n.Records[len(n.Records)-1] }

// Finalized is the latest finalized block.
func (n *Network) Finalized() *Record { return n.finalized }

// Close frees the database.
func (n *Network) Close() error { return n.State.Close() }

func (n *Network) keep(record *Record) {
	n.Records = append(n.Records, record)
	n.byID[record.ID] = record
	if record.Parent != nil {
		record.Parent.children++
	}
}
