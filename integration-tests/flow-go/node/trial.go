package node

import (
	"errors"

	"github.com/onflow/flow-go/storage"
)

// Try asks flow-go for its verdict of a block and keeps nothing of it: what it would write is dropped at the very
// end, when every check has passed.
func (node *Node) Try(extend func() error) error {
	node.database.trial = true
	defer func() { node.database.trial = false }()
	err := extend()
	if errors.Is(err, errTrial) {
		return nil
	}
	return err
}

// trialDatabase is a database that drops each batch while a trial is on.
type trialDatabase struct {
	storage.DB
	trial bool
}

// WithReaderBatchWriter lets a function fill a batch, and commits it unless a trial is on.
func (database *trialDatabase) WithReaderBatchWriter(fill func(storage.ReaderBatchWriter) error) error {
	return database.DB.WithReaderBatchWriter(func(batch storage.ReaderBatchWriter) error {
		if err := fill(batch); err != nil || !database.trial {
			return err
		}
		return errTrial
	})
}

// errTrial ends a batch that a trial drops.
var errTrial = errors.New("only tried")
