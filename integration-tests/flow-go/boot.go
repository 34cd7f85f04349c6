package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/onflow/flow/protobuf/go/flow/access"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/onflow/flow-go/model/flow"
	"github.com/onflow/flow-go/state/protocol"
	"github.com/onflow/flow-go/state/protocol/datastore"
	"github.com/onflow/flow-go/state/protocol/inmem"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
)

// runBoot starts nodes from the snapshots that a server gives of a chain, and lets each follow the rest.
func runBoot(arguments []string) error {
	flags := flag.NewFlagSet("boot", flag.ContinueOnError)
	address := flags.String("server", "", "HOST:PORT of a server that has indexed the whole chain")
	count := flags.Int("snapshots", 6, "how many heights to start from, beside the latest")
	reference := flags.Bool("reference", false, "reference chains: anybody may propose")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *address == "" || flags.NArg() != 1 || *count < 1 {
		return errors.New("usage: boot -server HOST:PORT [-snapshots N] [-reference] DIR")
	}
	chain, err := folder.Read(flags.Arg(0))
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(snapshotBytesMax)))
	if err != nil {
		return err
	}
	defer connection.Close()
	boot := boot{chain: chain, client: access.NewAccessAPIClient(connection), reference: *reference}
	return boot.run(*count)
}

// boot compares a server's snapshots with those of a node that followed the chain from its root.
type boot struct {
	chain     *folder.Chain
	client    access.AccessAPIClient
	reference bool
	own       *following
}

func (boot *boot) run(count int) error {
	own, err := newFollowing(boot.chain, boot.chain.Root)
	if err != nil {
		return err
	}
	defer own.node.Close()
	own.anybodyProposes = boot.reference
	for index := 1; index < len(boot.chain.Blocks); index++ {
		if err := own.next(index); err != nil {
			return err
		}
	}
	boot.own = own
	final, err := own.node.State.Final().Head()
	if err != nil {
		return err
	}
	root := boot.chain.Blocks[0].Height
	for number := range uint64(count) {
		height := root + (final.Height-root)*number/uint64(count)
		if err := boot.height(height); err != nil {
			return fmt.Errorf("height %d: %w", height, err)
		}
	}
	latest, err := boot.ask(func(ctx context.Context) (*access.ProtocolStateSnapshotResponse, error) {
		return boot.client.GetLatestProtocolStateSnapshot(ctx, &access.GetLatestProtocolStateSnapshotRequest{})
	})
	if err != nil {
		return fmt.Errorf("latest: %w", err)
	}
	if err := boot.judge(latest); err != nil {
		return fmt.Errorf("latest: %w", err)
	}
	return nil
}

// height asks for the snapshot of a finalized height, by height and by ID.
func (boot *boot) height(height uint64) error {
	byHeight, err := boot.ask(func(ctx context.Context) (*access.ProtocolStateSnapshotResponse, error) {
		return boot.client.GetProtocolStateSnapshotByHeight(ctx,
			&access.GetProtocolStateSnapshotByHeightRequest{BlockHeight: height})
	})
	if err != nil {
		return err
	}
	id, err := boot.own.node.Storage.Headers.BlockIDByHeight(height)
	if err != nil {
		return err
	}
	byID, err := boot.ask(func(ctx context.Context) (*access.ProtocolStateSnapshotResponse, error) {
		return boot.client.GetProtocolStateSnapshotByBlockID(ctx,
			&access.GetProtocolStateSnapshotByBlockIDRequest{BlockId: id[:]})
	})
	if err != nil {
		return err
	}
	if string(byHeight) != string(byID) {
		return errors.New("the snapshot by height is another one than that by ID")
	}
	return boot.judge(byHeight)
}

func (boot *boot) ask(
	call func(ctx context.Context) (*access.ProtocolStateSnapshotResponse, error),
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	response, err := call(ctx)
	return response.GetSerializedSnapshot(), err
}

// judge wants of a snapshot that flow-go takes it wherever it takes its own of the same block, and that a
// node which started from it follows the rest of the chain.
func (boot *boot) judge(data []byte) error {
	served, err := folder.Snapshot(data)
	if err != nil {
		return err
	}
	head, err := served.Head()
	if err != nil {
		return err
	}
	own := verdict(boot.own.node.State.AtBlockID(head.ID()))
	if found := verdict(served); (own == nil) != (found == nil) {
		return fmt.Errorf("flow-go's own snapshot at height %d: %v; the server's: %v", head.Height, own, found)
	}
	if own != nil {
		fmt.Printf("height %d: flow-go refuses its own snapshot and the server's: %v\n", head.Height, own)
	}
	followed, err := boot.follow(served, head)
	if err != nil {
		return err
	}
	fmt.Printf("height %d: booted, %d blocks followed\n", head.Height, followed)
	return nil
}

// verdict is what flow-go says of a root snapshot. It says so of a snapshot in memory, as a node that boots
// reads one.
func verdict(snapshot protocol.Snapshot) error {
	memory, err := inmem.FromSnapshot(snapshot)
	if err != nil {
		return err
	}
	if err := datastore.IsValidRootSnapshot(memory, true); err != nil {
		return err
	}
	return datastore.IsValidRootSnapshotQCs(memory)
}

// follow starts a node and gives it all blocks that descend from the snapshot's head.
func (boot *boot) follow(served protocol.Snapshot, head *flow.Header) (int, error) {
	started, err := newFollowing(boot.chain, served)
	if err != nil {
		return 0, err
	}
	defer started.node.Close()
	started.anybodyProposes = boot.reference
	known := map[flow.Identifier]bool{head.ID(): true}
	count := 0
	for index, block := range boot.chain.Blocks {
		if !known[block.ParentID] {
			continue
		}
		known[block.ID()] = true
		if err := started.next(index); err != nil {
			return count, err
		}
		count++
	}
	return count, nil
}

const (
	// snapshotBytesMax is more than any snapshot of the tests has.
	snapshotBytesMax = 1 << 30
	// answerTimeout is far more than a busy machine needs for a snapshot.
	answerTimeout = 5 * time.Minute
)
