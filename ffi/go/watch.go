package weir

import (
	"context"
	"encoding/json"
	"iter"
)

// WatchOptions say what to tell, and from where on.
type WatchOptions struct {
	// Level is how far a block must be before its changes are told: certified, finalized or sealed.
	Level string `json:"level,omitempty"`
	// After is a final height, or the cursor of an event told before; from now on if nil.
	After any `json:"after,omitempty"`
	// Kinds of changes: epoch, version, identity. All of them if nil, none if empty.
	Kinds []string `json:"kinds"`
	// Roles and NodeIDs restrict the changes of the identity table.
	Roles   []string `json:"roles,omitempty"`
	NodeIDs []string `json:"node_ids,omitempty"`
	// BlockIDs are blocks whose status is told as well.
	BlockIDs []string `json:"block_ids,omitempty"`
}

// Watch tells events as they happen, each proved, and none left out; it ends with an error, such as the
// context's. It has a walk of its own.
func (c *Client) Watch(ctx context.Context, watch WatchOptions) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		options := c.options
		options.State, options.KeepEvidence = c.State(), false
		watching, err := start(options)
		if err != nil {
			yield(nil, err)
			return
		}
		defer watching.closeStream()
		for {
			task := map[string]any{"task": "next_event", "watch": watch}
			told, err := watching.run(ctx, task, nil)
			if !yield(told.Value, err) || err != nil {
				return
			}
		}
	}
}
