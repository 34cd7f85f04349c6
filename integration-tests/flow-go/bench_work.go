package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/onflow/crypto"
	"github.com/onflow/flow/protobuf/go/flow/access"
	"github.com/rs/zerolog"

	"github.com/onflow/flow-go/consensus/hotstuff"
	"github.com/onflow/flow-go/engine/common/rpc/convert"
	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/model/flow/filter"
	"github.com/onflow/flow-go/module/signature"
	"github.com/onflow/flow-go/state/protocol"
	protocolstate "github.com/onflow/flow-go/state/protocol/protocol_state/state"
	"github.com/onflow/flow-go/storage/deferred"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
	"github.com/weir-flow/weir/integration-tests/flow-go/node"
)

// benched is a follower at the end of a chain, and what its work is done with.
type benched struct {
	chain     *folder.Chain
	node      *node.Node
	validator hotstuff.Validator
	// qcs and tcs are those that blocks of the root's epoch carry.
	qcs []*flow.QuorumCertificate
	tcs []*flow.TimeoutCertificate
}

func newBenched(chain *folder.Chain) (*benched, error) {
	following, err := newFollowing(chain, chain.Root)
	if err != nil {
		return nil, err
	}
	// Who proposed has no part in what is measured, and reference chains have no leaders.
	following.anybodyProposes = true
	benched := &benched{chain: chain, node: following.node}
	if benched.validator, err = following.node.Validator(); err != nil {
		return nil, err
	}
	epoch, err := chain.Root.Epochs().Current()
	if err != nil {
		return nil, err
	}
	for index, block := range chain.Blocks[1:] {
		if err := following.next(index + 1); err != nil {
			return nil, err
		}
		if block.ParentView > epoch.FinalView() {
			continue
		}
		benched.qcs = append(benched.qcs, block.ParentQC())
		if tc := block.LastViewTC; tc != nil && tc.View <= epoch.FinalView() {
			benched.tcs = append(benched.tcs, tc)
		}
	}
	if len(benched.qcs) == 0 || len(benched.tcs) == 0 {
		return nil, errors.New("the chain must have a QC and a TC of its root's epoch")
	}
	return benched, nil
}

// works are all kinds of work, by the names that Weir's program has for them.
func (benched *benched) works() map[string]work {
	return map[string]work{
		"bls":        benched.blsSignature(),
		"qc":         inTurn(benched.qcs, benched.validator.ValidateQC),
		"tc":         inTurn(benched.tcs, benched.validator.ValidateTC),
		"step":       benched.step(),
		"block-id":   inTurn(benched.chain.Blocks[1:], benched.blockID),
		"identities": inTurn(benched.chain.Blocks[1:], benched.identities),
	}
}

// blsSignature verifies one signature by one key, which is in memory, as ever.
func (benched *benched) blsSignature() work {
	hasher := signature.NewBLSHasher(signature.ConsensusVoteTag)
	key, err := crypto.GeneratePrivateKey(crypto.BLSBLS12381, make([]byte, crypto.KeyGenSeedMinLen))
	if err != nil {
		return func(int) (int, error) { return 0, err }
	}
	message := make([]byte, 40)
	signed, err := key.Sign(message, hasher)
	public := key.PublicKey()
	return inTurn([]crypto.Signature{signed}, func(signed crypto.Signature) error {
		if err != nil {
			return err
		}
		if valid, err := public.Verify(signed, message, hasher); err != nil || !valid {
			return fmt.Errorf("the signature is valid: %t, %w", valid, err)
		}
		return nil
	})
}

// step makes the state of a block behind the root that seals nothing. The parent's state comes from the node's
// caches; nothing is written.
func (benched *benched) step() work {
	all := benched.node.Storage
	state := protocolstate.NewMutableProtocolState(
		zerolog.Nop(), all.EpochProtocolStateEntries, all.ProtocolKVStore, benched.node.State.Params(),
		all.Headers, all.Results, all.EpochSetups, all.EpochCommits,
	)
	root := benched.chain.Blocks[0]
	expected := root.Payload.ProtocolStateID
	return inTurn([]*flow.Block{root}, func(parent *flow.Block) error {
		found, err := state.EvolveState(deferred.NewDeferredBlockPersist(), parent.ID(), parent.View+1, nil)
		if err == nil && found != expected {
			return fmt.Errorf("the state is %v, expected %v", found, expected)
		}
		return err
	})
}

// blockID hashes a block: the identifiers of all parts of the payload, their roots, the payload's hash, the
// header.
func (benched *benched) blockID(block *flow.Block) error {
	if block.ID() == flow.ZeroID {
		return errors.New("no block has the identifier zero")
	}
	return nil
}

// identities makes the full identity table as of a block.
func (benched *benched) identities(block *flow.Block) error {
	table, err := benched.node.State.AtBlockID(block.ID()).Identities(filter.Any)
	if err == nil && len(table) == 0 {
		return errors.New("nobody is in the table")
	}
	return err
}

// snapshots answers with the bytes that flow-go's Access API answers with, made as there
// (`engine/access/rpc/backend`, which would bring half of flow-go along).
func (benched *benched) snapshots() access.AccessAPIServer {
	return snapshotServer{state: benched.node.State}
}

// snapshotServer answers the one question that is measured.
type snapshotServer struct {
	access.UnimplementedAccessAPIServer
	state protocol.State
}

// GetProtocolStateSnapshotByHeight returns the snapshot of a finalized block.
func (server snapshotServer) GetProtocolStateSnapshotByHeight(
	_ context.Context, request *access.GetProtocolStateSnapshotByHeightRequest,
) (*access.ProtocolStateSnapshotResponse, error) {
	snapshot, err := convert.SnapshotToBytes(server.state.AtHeight(request.GetBlockHeight()))
	return &access.ProtocolStateSnapshotResponse{SerializedSnapshot: snapshot}, err
}
