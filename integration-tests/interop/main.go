// Command interop reads from an Access API with Flow's official Go SDK and checks what it gets.
//
//	interop HOST:PORT expected.jsonl   every finalized block against what flow-go computed
//	interop HOST:PORT                  a live network: what is read must fit together
//
// It ends with 0 and one line a check, or with 1 and what was wrong.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/onflow/flow-go-sdk"
	"github.com/onflow/flow-go-sdk/access/grpc"
	rpc "google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fail("usage: interop HOST:PORT [expected.jsonl]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	large := rpc.WithDefaultCallOptions(rpc.MaxCallRecvMsgSize(messageBytesMax))
	client, err := grpc.NewClient(os.Args[1], grpc.WithGRPCDialOptions(large, rpc.WithTransportCredentials(insecure.NewCredentials())))
	check(err, "connect")
	check(client.Ping(ctx), "ping")
	root := network(ctx, client)
	waitForSeals(ctx, client, root)
	latest := latestBlocks(ctx, client)
	rows := map[uint64]row{}
	if len(os.Args) == 3 {
		rows = finalizedRows(os.Args[2])
	}
	blocks(ctx, client, root, latest, rows)
	snapshots(ctx, client, latest)
	results(ctx, client)
	subscriptions(ctx, client, root, latest, len(rows) == 0)
	absent(ctx, client, latest)
	fmt.Println("ok")
}

// row is what flow-go computed for a block.
type row struct {
	Height      uint64 `json:"height"`
	View        uint64 `json:"view"`
	BlockID     string `json:"block_id"`
	ParentID    string `json:"parent_id"`
	PayloadHash string `json:"payload_hash"`
	StateID     string `json:"protocol_state_id"`
	Finalized   bool   `json:"finalized"`
}

func finalizedRows(path string) map[uint64]row {
	file, err := os.Open(path)
	check(err, "expected rows")
	rows := map[uint64]row{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one row
		check(json.Unmarshal(lines.Bytes(), &one), "expected row")
		if one.Finalized {
			rows[one.Height] = one
		}
	}
	check(lines.Err(), "expected rows")
	return rows
}

// network returns the node's root height.
func network(ctx context.Context, client *grpc.Client) uint64 {
	parameters, err := client.GetNetworkParameters(ctx)
	check(err, "network parameters")
	require(parameters.ChainID == "flow-localnet", "chain id %q", parameters.ChainID)
	info, err := client.GetNodeVersionInfo(ctx)
	check(err, "node version info")
	require(info.SporkId != flow.EmptyID, "no spork id")
	fmt.Println("network", parameters.ChainID, "root height", info.NodeRootBlockHeight)
	return info.NodeRootBlockHeight
}

// waitForSeals waits until a block above the root is sealed, so that there is a result to ask for.
func waitForSeals(ctx context.Context, client *grpc.Client, root uint64) {
	for {
		sealed, err := client.GetLatestBlockHeader(ctx, true)
		check(err, "latest sealed header")
		if sealed.Height > root {
			return
		}
		select {
		case <-time.After(pollInterval):
		case <-ctx.Done():
			fail("no block above height %d was sealed in time", root)
		}
	}
}

func latestBlocks(ctx context.Context, client *grpc.Client) *flow.Block {
	sealed, err := client.GetLatestBlock(ctx, true)
	check(err, "latest sealed block")
	require(sealed.Status == flow.BlockStatusSealed, "sealed block has status %v", sealed.Status)
	finalized, err := client.GetLatestBlock(ctx, false)
	check(err, "latest finalized block")
	require(sealed.Height <= finalized.Height, "sealed %d above finalized %d", sealed.Height, finalized.Height)
	header, err := client.GetLatestBlockHeader(ctx, true)
	check(err, "latest header")
	require(header.Height >= sealed.Height, "latest header went back to %d", header.Height)
	fmt.Println("latest finalized", finalized.Height, "sealed", sealed.Height)
	return finalized
}

// blocks reads every finalized block by height and by ID.
func blocks(ctx context.Context, client *grpc.Client, root uint64, latest *flow.Block, rows map[uint64]row) {
	parent := flow.EmptyID
	first := max(root, latest.Height-min(latest.Height, blocksMax))
	for height := first; height <= latest.Height; height++ {
		block, err := client.GetBlockByHeight(ctx, height)
		check(err, fmt.Sprintf("block at height %d", height))
		require(block.Height == height, "height %d for %d", block.Height, height)
		require(height == first || block.ParentID == parent, "height %d does not follow its parent", height)
		header, err := client.GetBlockHeaderByID(ctx, block.ID)
		check(err, "header by id")
		byHeight, err := client.GetBlockHeaderByHeight(ctx, height)
		check(err, "header by height")
		require(header.ID == block.ID && byHeight.ID == block.ID, "three answers for height %d", height)
		byID, err := client.GetBlockByID(ctx, block.ID)
		check(err, "block by id")
		require(byID.ParentID == block.ParentID, "two parents for height %d", height)
		if expected, ok := rows[height]; ok {
			require(block.ID.Hex() == expected.BlockID, "id at height %d", height)
			require(block.ParentID.Hex() == expected.ParentID, "parent at height %d", height)
			require(header.View == expected.View, "view at height %d", height)
			require(hex.EncodeToString(header.PayloadHash) == expected.PayloadHash, "payload hash at height %d", height)
		}
		parent = block.ID
	}
	fmt.Println("blocks", first, "to", latest.Height)
}

func snapshots(ctx context.Context, client *grpc.Client, latest *flow.Block) {
	head := func(snapshot []byte, err error) string {
		check(err, "snapshot")
		var parsed struct{ QuorumCertificate struct{ BlockID string } }
		check(json.Unmarshal(snapshot, &parsed), "snapshot")
		return parsed.QuorumCertificate.BlockID
	}
	byHeight := head(client.GetProtocolStateSnapshotByHeight(ctx, latest.Height))
	byID := head(client.GetProtocolStateSnapshotByBlockID(ctx, latest.ID))
	require(byHeight == latest.ID.Hex() && byID == byHeight, "snapshots of %s and %s", byHeight, byID)
	require(head(client.GetLatestProtocolStateSnapshot(ctx)) != "", "latest snapshot")
	fmt.Println("snapshots of", byHeight)
}

func results(ctx context.Context, client *grpc.Client) {
	sealed, err := client.GetLatestBlock(ctx, true)
	check(err, "latest sealed block")
	result, err := client.GetExecutionResultForBlockID(ctx, sealed.ID)
	check(err, "result for block")
	require(result.BlockID == sealed.ID, "result of another block")
	require(len(result.Chunks) > 0, "result without chunks")
	fmt.Println("result with", len(result.Chunks), "chunks")
}

// subscriptions follows blocks, headers and digests; live ones until a few new blocks have come.
func subscriptions(ctx context.Context, client *grpc.Client, root uint64, latest *flow.Block, live bool) {
	start, end := max(root+1, latest.Height-min(latest.Height, 20)), latest.Height
	if live {
		end += newBlocks
	}
	blocks, errors, err := client.SubscribeBlocksFromStartHeight(ctx, start, flow.BlockStatusFinalized)
	check(err, "subscribe to blocks")
	follow(ctx, start, end, blocks, errors, func(block *flow.Block) uint64 { return block.Height })
	headers, errors, err := client.SubscribeBlockHeadersFromStartHeight(ctx, start, flow.BlockStatusFinalized)
	check(err, "subscribe to headers")
	follow(ctx, start, end, headers, errors, func(header *flow.BlockHeader) uint64 { return header.Height })
	digests, errors, err := client.SubscribeBlockDigestsFromStartHeight(ctx, start, flow.BlockStatusFinalized)
	check(err, "subscribe to digests")
	follow(ctx, start, end, digests, errors, func(digest *flow.BlockDigest) uint64 { return digest.Height })
	fmt.Println("subscriptions", start, "to", end)
}

func follow[T any](ctx context.Context, start, end uint64, items <-chan T, errors <-chan error, height func(T) uint64) {
	for expected := start; expected <= end; expected++ {
		select {
		case item, open := <-items:
			require(open, "subscription ended before height %d", expected)
			require(height(item) == expected, "height %d instead of %d", height(item), expected)
		case err := <-errors:
			check(err, "subscription")
		case <-ctx.Done():
			fail("no block of height %d in time", expected)
		}
	}
}

// absent asks for what is not there, and for what Weir does not answer.
func absent(ctx context.Context, client *grpc.Client, latest *flow.Block) {
	_, err := client.GetBlockByID(ctx, flow.HexToID("0707"))
	require(code(err) == codes.NotFound, "unknown block: %v", err)
	_, err = client.GetBlockByHeight(ctx, latest.Height+1_000_000)
	require(code(err) == codes.NotFound, "unknown height: %v", err)
	_, err = client.GetAccount(ctx, flow.HexToAddress("01"))
	require(code(err) == codes.Unimplemented, "account without an upstream: %v", err)
	fmt.Println("absent things are told")
}

func code(err error) codes.Code {
	type rpcError interface{ GRPCStatus() *status.Status }
	if rpc, ok := err.(rpcError); ok {
		return rpc.GRPCStatus().Code()
	}
	return status.Code(err)
}

func check(err error, what string) {
	if err != nil {
		fail("%s: %v", what, err)
	}
}

func require(holds bool, format string, arguments ...any) {
	if !holds {
		fail(format, arguments...)
	}
}

func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "interop: "+format+"\n", arguments...)
	os.Exit(1)
}

const (
	timeLimit    = 2 * time.Minute
	pollInterval = 100 * time.Millisecond
	// messageBytesMax lets snapshots through, which are larger than the SDK takes by itself.
	messageBytesMax = 256 << 20
	// blocksMax is how many of the newest blocks are read.
	blocksMax = 600
	// newBlocks is how many blocks a live network has to make meanwhile.
	newBlocks = 5
)
