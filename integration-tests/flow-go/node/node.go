// Package node puts flow-go's own parts together to a node without a network: a database in memory, the
// protocol state of a follower or of a consensus participant with its real validators, HotStuff's
// validator, and finalization by HotStuff's forks.
package node

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/onflow/flow-go/consensus/hotstuff"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/module"
	"github.com/onflow/flow-go/module/chunks"
	"github.com/onflow/flow-go/module/finalizer/consensus"
	"github.com/onflow/flow-go/module/metrics"
	"github.com/onflow/flow-go/module/trace"
	"github.com/onflow/flow-go/module/updatable_configs"
	"github.com/onflow/flow-go/module/validation"
	"github.com/onflow/flow-go/state/protocol"
	pstate "github.com/onflow/flow-go/state/protocol/badger"
	"github.com/onflow/flow-go/state/protocol/blocktimer"
	"github.com/onflow/flow-go/state/protocol/events"
	"github.com/onflow/flow-go/storage"
	"github.com/onflow/flow-go/storage/operation/pebbleimpl"
	"github.com/onflow/flow-go/storage/store"
)

// RequiredApprovals is how many verifiers must have approved a chunk before its result is sealed.
// flow-go's default lets a seal without approvals pass, for emergencies (`emergencySealing`); mainnet's
// consensus nodes construct seals with one at least, so a chain that claims to be healthy has one.
type RequiredApprovals uint

const (
	// AnyApprovals accepts what flow-go's defaults accept.
	AnyApprovals RequiredApprovals = flow.DefaultRequiredApprovalsForSealValidation
	// OneApproval wants of each chunk what flow-go constructs seals with by default.
	OneApproval RequiredApprovals = RequiredApprovals(flow.DefaultRequiredApprovalsForSealConstruction)
)

// A block's distance from its parent in time, as cmd/consensus has it by default.
const (
	blockIntervalMinMs = 1
	blockIntervalMaxMs = 90_000
)

// Node is a flow-go node without a network.
type Node struct {
	// State is the protocol state that both kinds of nodes have.
	State *pstate.State
	// Participant extends and checks as a consensus node does. A follower has none.
	Participant *pstate.ParticipantState
	// Follower extends as all other nodes do. A participant has it, too.
	Follower *pstate.FollowerState
	// Storage is what the node stores.
	Storage *store.All
	// Assigner names the verifiers of a result's chunks.
	Assigner module.ChunkAssigner

	database *trialDatabase
	pebble   *pebble.DB
	rules    *rules
	// known are the QCs found valid, when they are remembered.
	known map[[32]byte]bool
}

// NewFollower bootstraps a node that follows consensus, from a snapshot.
func NewFollower(root protocol.Snapshot) (*Node, error) {
	node, err := bootstrap(root)
	if err != nil {
		return nil, err
	}
	node.Follower, err = pstate.NewFollowerState(
		zerolog.Nop(), trace.NewNoopTracer(), events.NewNoop(), node.State,
		node.Storage.Index, node.Storage.Payloads, blocktimer.DefaultBlockTimer,
	)
	return node, err
}

// NewParticipant bootstraps a node that takes part in consensus, from a snapshot. Each chunk is assigned to
// as many verifiers as alpha says.
func NewParticipant(root protocol.Snapshot, approvals RequiredApprovals, alpha uint) (*Node, error) {
	node, err := bootstrap(root)
	if err != nil {
		return nil, err
	}
	node.Assigner, err = chunks.NewChunkAssigner(alpha, node.State)
	if err != nil {
		return nil, err
	}
	sealing, err := updatable_configs.NewSealingConfigs(
		flow.DefaultRequiredApprovalsForSealConstruction, uint(approvals),
		alpha, flow.DefaultEmergencySealingActive,
	)
	if err != nil {
		return nil, err
	}
	timer, err := blocktimer.NewBlockTimer(blockIntervalMinMs, blockIntervalMaxMs)
	if err != nil {
		return nil, err
	}
	all := node.Storage
	node.Participant, err = pstate.NewFullConsensusState(
		zerolog.Nop(), trace.NewNoopTracer(), events.NewNoop(), node.State,
		all.Index, all.Payloads, timer,
		validation.NewReceiptValidator(node.State, all.Headers, all.Index, all.Results, all.Seals),
		validation.NewSealValidator(
			node.State, all.Headers, all.Index, all.Results, all.Seals,
			node.Assigner, sealing, metrics.NewNoopCollector(),
		),
	)
	if err != nil {
		return nil, err
	}
	node.Follower = node.Participant.FollowerState
	return node, nil
}

func bootstrap(root protocol.Snapshot) (*Node, error) {
	opened, err := pebble.Open("", &pebble.Options{FS: vfs.NewMem(), Logger: quiet{}})
	if err != nil {
		return nil, err
	}
	plain := pebbleimpl.ToDB(opened)
	none := metrics.NewNoopCollector()
	all := store.InitAll(none, plain)
	// Storage may write what is addressed by its hash at any time; a block comes by the state alone.
	database := &trialDatabase{DB: plain}
	state, err := pstate.Bootstrap(
		none, database, storage.NewTestingLockManager(),
		all.Headers, all.Seals, all.Results, all.Blocks, all.QuorumCertificates,
		all.EpochSetups, all.EpochCommits, all.EpochProtocolStateEntries, all.ProtocolKVStore,
		all.VersionBeacons, root,
	)
	if err != nil {
		return nil, fmt.Errorf("bootstrapping: %w", err)
	}
	return &Node{State: state, Storage: all, database: database, pebble: opened}, nil
}

// Extend adds a proposal as a participant does, which checks all of its payload.
func (node *Node) Extend(proposal *flow.Proposal) error {
	return node.Participant.Extend(context.Background(), proposal)
}

// ExtendCertified adds a block that its certificate vouches for, as a follower does.
func (node *Node) ExtendCertified(proposal *flow.Proposal, qc *flow.QuorumCertificate) error {
	certified, err := flow.NewCertifiedBlock(proposal, qc)
	if err != nil {
		return err
	}
	return node.Follower.ExtendCertified(context.Background(), &certified)
}

// MakeFinal finalizes a block and its ancestors.
func (node *Node) MakeFinal(blockID flow.Identifier) error {
	finalizer := consensus.NewFinalizer(
		node.database.Reader(), node.Storage.Headers, node.Follower, trace.NewNoopTracer(),
	)
	if err := finalizer.MakeFinal(blockID); err != nil {
		return err
	}
	return node.refresh(blockID)
}

// Validator returns HotStuff's validator with the real committee, and with signatures as flow-go's nodes
// verify them (version 2 of the combined verifier).
func (node *Node) Validator() (hotstuff.Validator, error) {
	rules, err := node.consensus()
	if err != nil {
		return nil, err
	}
	return rules.validator, nil
}

// Close frees the database.
func (node *Node) Close() error {
	return node.pebble.Close()
}

// quiet is a logger that says nothing but why a database cannot go on.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, values ...any) {
	panic(fmt.Sprintf(format, values...))
}
