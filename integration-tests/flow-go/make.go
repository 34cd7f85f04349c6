package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
	"github.com/weir-flow/weir/integration-tests/flow-go/network"
)

// runMake makes a random chain that flow-go accepts and writes its folder.
func runMake(arguments []string) error {
	flags := flag.NewFlagSet("make", flag.ContinueOnError)
	seed := flags.Uint64("seed", 1, "what all choices follow from")
	blocks := flags.Int("blocks", 250, "number of blocks after the root")
	nodes := flags.Int("nodes", 0, "number of nodes in the root epoch; 0 draws it")
	out := flags.String("out", "", "folder to write, which must be empty")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if *out == "" {
		return errors.New("-out must name the folder to write")
	}
	config := network.VariedConfig(*seed)
	if *nodes != 0 {
		var err error
		if config, err = config.WithNodes(*nodes); err != nil {
			return err
		}
	}
	recorded, err := makeChain(*seed, config, *blocks, *out)
	if err != nil {
		return fmt.Errorf("seed %d: %w", *seed, err)
	}
	fmt.Printf("seed %d: %d blocks, %d of them finalized\n", *seed, recorded.Blocks, recorded.Finalized)
	return nil
}

// makeChain makes the blocks and writes the folder.
func makeChain(seed uint64, config network.Config, blocks int, out string) (folder.Scenario, error) {
	chain, err := network.New(seed, config)
	if err != nil {
		return folder.Scenario{}, err
	}
	defer chain.Close()
	for range blocks {
		if _, err := chain.Step(); err != nil {
			return folder.Scenario{}, err
		}
	}
	recording, err := chain.Recording(fmt.Sprintf("make-%d", seed))
	if err != nil {
		return folder.Scenario{}, err
	}
	return recording.Scenario, folder.Write(out, recording)
}
