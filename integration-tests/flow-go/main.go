// Command flow-go lets flow-go itself judge Weir, and what Weir simulates. See README.md.
package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
)

// modes are what the program does, by the name of its first argument.
var modes = map[string]func(arguments []string) error{
	"bench":  runBench,
	"boot":   runBoot,
	"follow": runFollow,
	"judge":  runJudge,
	"make":   runMake,
}

func main() {
	if len(os.Args) < 2 || modes[os.Args[1]] == nil {
		names := slices.Sorted(maps.Keys(modes))
		fmt.Fprintf(os.Stderr, "usage: flow-go %s ARGUMENTS\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	if err := modes[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "flow-go %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
