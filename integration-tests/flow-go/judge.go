package main

import (
	"errors"
	"flag"
	"os"

	"github.com/weir-flow/weir/integration-tests/flow-go/judge"
)

// runJudge puts blocks that are wrong in one place to flow-go and to Weir.
func runJudge(arguments []string) error {
	flags := flag.NewFlagSet("judge", flag.ContinueOnError)
	options := judge.Options{Out: os.Stdout}
	flags.Uint64Var(&options.Seed, "seed", 1, "what all choices follow from")
	flags.IntVar(&options.Count, "count", 1000, "how many blocks to judge")
	flags.StringVar(&options.Weir, "weir", "", "the program that gives Weir's verdicts")
	flags.IntVar(&options.Blocks, "blocks", 150, "length of a chain")
	flags.IntVar(&options.PerBlock, "per-block", 8, "candidates on each block")
	flags.BoolVar(&options.Table, "table", false, "write all verdicts, by what was wrong")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if options.Weir == "" || options.Count < 1 || options.Blocks < 1 || options.PerBlock < 1 {
		return errors.New("-weir must name the program, and counts must be positive")
	}
	return judge.Run(options)
}
