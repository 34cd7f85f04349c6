package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
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
	if *out == "" {
		return errors.New("-out must name the folder to write")
	}
	config, err := network.VariedConfig(*seed).WithNodes(*nodes)
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
	recording, err := chain.Recording(fmt.Sprintf("make-%d", *seed))
	if err != nil {
		return fmt.Errorf("seed %d: %w", *seed, err)
	}
	if err := folder.Write(*out, recording); err != nil {
		return fmt.Errorf("seed %d: %w", *seed, err)
	}
	fmt.Printf("seed %d: %d blocks, %d finalized, views to %d\n",
		*seed, recording.Scenario.Blocks, recording.Scenario.Finalized, chain.Newest().View())
	return nil
}
