// Package weir is a light client of Flow's protocol state: it trusts one block ID and no server. What to
// ask next, of whom, and what is true is decided by Weir's own code, through its C library; here are the
// transport and the clock. docs/bindings.md tells how to build it.
package weir

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Options say how a client begins.
type Options struct {
	// Servers by preference, such as http://127.0.0.1:9400. One that has to sign its answers is URL#KEY.
	Servers []string
	// Checkpoint is the ID of a final block that the caller trusts, 64 hexadecimal digits.
	Checkpoint string
	// State is what Client.State returned before; the caller vouches for it.
	State []byte
	// KeepEvidence keeps the evidence from the checkpoint on, so that Told.Evidence holds a file that `weir
	// verify` reads.
	KeepEvidence bool
	// Clock has bounds on time.
	Clock Clock
	// HTTP makes the calls; http.DefaultClient if nil.
	HTTP *http.Client
}

// Clock has bounds on time, zero for the usual ones.
type Clock struct {
	NowMs            uint64 `json:"now_ms,omitempty"`
	TrustingPeriodMs uint64 `json:"trusting_period_ms,omitempty"`
	// PastCommitteeAgeMs is the greatest age of what only a committee of before the trusted head's epoch
	// certifies: the trusting period if nil, 0 takes hash links alone.
	PastCommitteeAgeMs *uint64 `json:"past_committee_age_ms,omitempty"`
	ClockSkewMs        uint64  `json:"clock_skew_ms,omitempty"`
}

// Progress says how far a sync has come.
type Progress struct {
	EpochCounter, FirstEpochCounter uint64
	// TargetEpochCounter is a server's word; nothing proves it.
	TargetEpochCounter uint64
	BytesReceived      uint64
}

// Told is what a call ends with.
type Told struct {
	// Value is the answer as `weir --json` prints it.
	Value json.RawMessage
	// Evidence for it stands alone, if it is kept.
	Evidence []byte
}

// Client is a client of one server, or of several. It does one thing at a time: calls of several
// goroutines wait for one another.
type Client struct {
	options Options
	client  *client
	urls    []string
	turn    sync.Mutex
	stream  *call
	began   time.Time
}

// Start goes on from a state, or fetches and verifies the checkpoint.
func Start(ctx context.Context, options Options) (*Client, error) {
	started, err := start(options)
	if err != nil || options.State != nil {
		return started, err
	}
	_, err = started.finish(ctx, nil)
	if err != nil {
		return nil, err
	}
	return started, nil
}

func start(options Options) (*Client, error) {
	given, err := json.Marshal(map[string]any{
		"servers":       options.Servers,
		"checkpoint":    options.Checkpoint,
		"keep_evidence": options.KeepEvidence,
		"clock":         options.Clock,
	})
	if err != nil {
		return nil, err
	}
	opened, err := open(string(given), options.State)
	if err != nil {
		return nil, err
	}
	urls := make([]string, len(options.Servers))
	for index, server := range options.Servers {
		address, _, _ := strings.Cut(server, "#")
		urls[index] = strings.TrimRight(address, "/")
	}
	if options.HTTP == nil {
		options.HTTP = http.DefaultClient
	}
	return &Client{options: options, client: opened, urls: urls, began: time.Now()}, nil
}

// Sync walks to the newest epoch, proves the newest final block, and asks the other servers about it. The
// value is {"answer", "servers"}; progress may be nil.
func (c *Client) Sync(ctx context.Context, progress func(Progress)) (Told, error) {
	return c.run(ctx, map[string]any{"task": "sync"}, progress)
}

// Depth is how far an answer's block should be proved.
type Depth string

const (
	// Final is proved final.
	Final Depth = "final"
	// Sealed is proved sealed where it is sealed, which is what "" asks for.
	Sealed Depth = "sealed"
	// Linked is proved by hash links.
	Linked Depth = "linked"
)

// Ask asks a question: anything that is {"block", "topic"} as JSON.
func (c *Client) Ask(ctx context.Context, question any, depth Depth) (Told, error) {
	task := map[string]any{"task": "ask", "question": question}
	if depth != "" {
		task["proof"] = depth
	}
	return c.run(ctx, task, nil)
}

// TreeRoot is the root of a block's snapshot tree.
func (c *Client) TreeRoot(ctx context.Context, block any) (Told, error) {
	return c.run(ctx, map[string]any{"task": "tree_root", "block": block}, nil)
}

// AskTree is what a block's snapshot tree has of the items.
func (c *Client) AskTree(ctx context.Context, block any, items ...any) (Told, error) {
	return c.run(ctx, map[string]any{"task": "ask_tree", "block": block, "items": items}, nil)
}

// State is what to keep, and to start with the next time.
func (c *Client) State() []byte { return c.client.state() }

// Trusted is what is proved so far, as JSON.
func (c *Client) Trusted() json.RawMessage { return json.RawMessage(c.client.trusted()) }

// Report is what is known of the servers, as JSON: {"lies", "remarks", "hops", "bytes_received"}; null
// while a call is on its way.
func (c *Client) Report() json.RawMessage { return json.RawMessage(c.client.report()) }

// Misbehaviour shows a lie of the report to others, by its place there; nil where nothing does.
func (c *Client) Misbehaviour(lie int) []byte { return c.client.misbehaviour(lie) }

func (c *Client) run(ctx context.Context, task any, progress func(Progress)) (Told, error) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if err := ctx.Err(); err != nil {
		return Told{}, err
	}
	text, err := json.Marshal(task)
	if err != nil {
		return Told{}, &Error{Kind: Usage, Rule: "Argument", Message: err.Error()}
	}
	if err := c.client.begin(string(text)); err != nil {
		return Told{}, err
	}
	return c.finish(ctx, progress)
}

// finish does what the walk says until it ends.
func (c *Client) finish(ctx context.Context, progress func(Progress)) (Told, error) {
	for {
		if ctx.Err() != nil {
			c.client.cancel()
		}
		next, err := c.client.step(time.Since(c.began), time.Now())
		if err != nil {
			return Told{}, err
		}
		switch next.kind {
		case stepDone:
			told, err := c.client.take()
			if err != nil && ctx.Err() != nil {
				err = ctx.Err()
			}
			return told, err
		case stepProgress:
			if progress != nil {
				progress(next.progress)
			}
		default:
			c.answer(ctx, next)
		}
	}
}

func (c *Client) answer(ctx context.Context, next step) {
	message, receipt, err := c.call(ctx, next)
	var refused *refusal
	switch {
	case err == nil:
		c.client.hear(next.server, message, receipt)
	case errors.As(err, &refused):
		c.client.hearRefusal(next.server, refused)
	default:
		c.client.hearNothing(next.server, err.Error())
	}
}

func (c *Client) call(ctx context.Context, next step) (message, receipt []byte, err error) {
	if next.kind == stepNext {
		message, err = c.stream.within(ctx, next.patience)
		return message, nil, err
	}
	opened, err := dial(ctx, c.options.HTTP, c.urls[next.server], next.path, next.message)
	if err != nil {
		return nil, nil, err
	}
	if next.kind == stepSubscribe {
		c.closeStream()
		c.stream = opened
		return nil, nil, nil
	}
	defer opened.close()
	message, err = opened.within(ctx, answerWithin)
	return message, opened.receipt(), err
}

func (c *Client) closeStream() {
	if c.stream != nil {
		c.stream.close()
	}
	c.stream = nil
}
