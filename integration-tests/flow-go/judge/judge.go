package judge

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/onflow/flow-go/engine/common/rpc/convert"

	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// Options say what is judged.
type Options struct {
	// Seed is what the chains and what is wrong follow from.
	Seed uint64
	// Count is how many blocks are judged.
	Count int
	// Weir is the program that gives Weir's verdicts.
	Weir string
	// Blocks is the length of a chain; then the next one begins.
	Blocks int
	// PerBlock is how many candidates are made on each block.
	PerBlock int
	// Table says to report all verdicts, not only how many differ.
	Table bool
	// Out is where to report.
	Out io.Writer
}

// Run judges, writes a table of all verdicts, and fails when one is a difference.
func Run(options Options) error {
	judged := tally{}
	for chain := uint64(0); judged.total < options.Count; chain++ {
		if err := judged.chain(options, options.Seed+chain); err != nil {
			return fmt.Errorf("seed %d: %w", options.Seed+chain, err)
		}
	}
	if options.Table {
		judged.table(options.Out)
	}
	return judged.report(options.Out, options.Seed)
}

// tally counts verdicts by mutation.
type tally struct {
	total int
	// halted counts chains with odd events that flow-go itself cannot continue.
	halted      int
	rows        map[string]*row
	differences []string
}

// row is what came of one mutation.
type row struct {
	// both, follower and neither count candidates that participant and follower accept, the follower alone, and
	// neither; weir counts those of each that Weir accepts.
	both, follower, neither             int
	weirBoth, weirFollower, weirNeither int
}

// chain makes one chain and judges candidates on each of its blocks.
func (judged *tally) chain(options Options, seed uint64) error {
	config := network.VariedConfig(seed)
	if seed%2 == 1 {
		config.Rates.Odd = oddEvents
	}
	chain, err := network.New(seed, config)
	if err != nil {
		return err
	}
	defer chain.Close()
	root, err := convert.SnapshotToBytes(chain.Root)
	if err != nil {
		return err
	}
	weir, err := startWeir(options.Weir, root)
	if err != nil {
		return err
	}
	defer weir.close()
	flowGo, err := newFlowGo(chain)
	if err != nil {
		return err
	}
	defer flowGo.follower.Close()
	random := network.NewRandom(seed, "judge")
	for range options.Blocks {
		var record *network.Record
		err := network.Guarded(func() (err error) {
			record, err = chain.Step()
			return err
		})
		if err != nil {
			return judged.halt(options, config, seed, err)
		}
		if err := flowGo.take(record); err != nil {
			return err
		}
		message, err := encode(record.Block())
		if err != nil {
			return err
		}
		if err := weir.take(message); err != nil {
			text := fmt.Sprintf("seed %d, block %v at height %d: flow-go takes it, Weir: %v", seed, record.ID, record.Height(), err)
			judged.differences = append(judged.differences, text)
			return nil
		}
		for range options.PerBlock {
			made, err := draw(chain, random)
			if err != nil {
				return judged.halt(options, config, seed, err)
			}
			if made == nil {
				continue
			}
			if err := judged.candidate(flowGo, weir, made); err != nil {
				return err
			}
		}
		if judged.total >= options.Count {
			return nil
		}
	}
	return nil
}

// halt ends a chain that flow-go does not continue: after odd events that may be, and else it is an error.
func (judged *tally) halt(options Options, config network.Config, seed uint64, err error) error {
	if config.Rates.Odd == 0 {
		return err
	}
	judged.halted++
	fmt.Fprintf(options.Out, "seed %d: flow-go does not continue after odd events: %v\n", seed, err)
	return nil
}

// draw makes a candidate that is wrong in one place; none where the mutation does not apply, or where the committee
// of the view is not known yet, to flow-go either.
func draw(chain *network.Network, random *network.Random) (made *candidate, err error) {
	parent := chain.Newest()
	view := parent.View() + 1
	if random.Chance(0.4) {
		view += uint64(random.Between(1, 3))
	}
	if _, err := chain.Committee(view); err != nil {
		return nil, nil
	}
	mutation := mutations[random.Between(0, len(mutations)-1)]
	err = network.Guarded(func() error {
		block, err := chain.Unsigned(parent, view)
		if err != nil {
			return err
		}
		drawn := &candidate{network: chain, random: random, parent: parent, block: *block, mutation: mutation.name}
		applies, err := mutation.apply(drawn)
		if applies {
			made = drawn
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mutation.name, err)
	}
	return made, nil
}

// candidate puts a block to both, and compares the verdicts.
func (judged *tally) candidate(flowGo *flowGo, weir *weir, made *candidate) error {
	message, err := encode(&made.block)
	if err != nil {
		// flow-go cannot write it, so no node sends it.
		return nil
	}
	expected := flowGo.judge(message)
	refused, err := weir.judge(message)
	if err != nil {
		return err
	}
	judged.count(made.mutation, expected, refused)
	if difference := difference(expected, refused); difference != "" {
		text := fmt.Sprintf(
			"%s, on block %v at height %d: %s", made.mutation, made.parent.ID, made.parent.Height(), difference)
		judged.differences = append(judged.differences, text)
	}
	return nil
}

// difference says how Weir's verdict differs from flow-go's, if it does. Of a block that an honest committee
// certifies, nothing may be refused; of one that no node takes even when it is certified, nothing accepted.
// Between the two, where a consensus node refuses what a follower leaves to it, no committee certifies the
// block, and either verdict is right.
func difference(expected verdict, refused error) string {
	switch {
	case expected.participant == nil && refused != nil:
		return fmt.Sprintf("flow-go accepts, Weir refuses: %v", refused)
	case expected.participant != nil && expected.follower != nil && refused == nil && !unstorable(expected.follower):
		return fmt.Sprintf("Weir accepts, flow-go refuses: %v", expected.follower)
	default:
		return ""
	}
}

func (judged *tally) count(name string, expected verdict, refused error) {
	judged.total++
	if judged.rows == nil {
		judged.rows = map[string]*row{}
	}
	counts := judged.rows[name]
	if counts == nil {
		counts = &row{}
		judged.rows[name] = counts
	}
	flow, weir := &counts.neither, &counts.weirNeither
	switch {
	case expected.participant == nil:
		flow, weir = &counts.both, &counts.weirBoth
	case expected.follower == nil:
		flow, weir = &counts.follower, &counts.weirFollower
	}
	*flow++
	if refused == nil {
		*weir++
	}
}

// table writes what came of each mutation.
func (judged *tally) table(out io.Writer) {
	fmt.Fprintf(out, "%-45s %22s %22s %22s\n", "", "consensus node accepts", "only followers accept", "nobody accepts")
	for _, name := range slices.Sorted(maps.Keys(judged.rows)) {
		row := judged.rows[name]
		fmt.Fprintf(out, "%-45s %12d, Weir %4d %12d, Weir %4d %12d, Weir %4d\n", name,
			row.both, row.weirBoth, row.follower, row.weirFollower, row.neither, row.weirNeither)
	}
}

// report writes how many verdicts differ, and some of them.
func (judged *tally) report(out io.Writer, seed uint64) error {
	fmt.Fprintf(out, "judged %d blocks from seed %d: %d differences; flow-go did not continue %d chains\n",
		judged.total, seed, len(judged.differences), judged.halted)
	if len(judged.differences) == 0 {
		return nil
	}
	for index, difference := range judged.differences {
		if index == differencesShown {
			break
		}
		fmt.Fprintln(out, difference)
	}
	return fmt.Errorf("%d verdicts differ", len(judged.differences))
}

// unstorable says that a follower has no objection to a block but cannot index it beside what it has: a receipt of
// a result that it does not know, or a second guarantee of a collection. Members of the committee refuse the first
// by rule. The second depends on the forks that a node happened to see. Weir leaves both to the committee.
func unstorable(refused error) bool {
	return strings.HasPrefix(refused.Error(), "could not store candidate block")
}

// oddEvents is the chance of an odd event on every other chain.
const oddEvents = 0.3

// differencesShown is how many differences a report writes out.
const differencesShown = 40
