// Command flow-go lets flow-go itself judge Weir, and what Weir simulates. See README.md.
package main

import (
	"fmt"
	"os"
)

func main() {
	if err := runMake(os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "flow-go %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}
