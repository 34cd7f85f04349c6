package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/onflow/flow/protobuf/go/flow/access"
	"google.golang.org/grpc"

	"github.com/weir-flow/weir/integration-tests/flow-go/folder"
)

// work does a kind of work so often, or a little more, and returns how often it did it.
type work func(times int) (int, error)

// runBench does work on request, so that another program can measure it in turns with Weir's.
//
// It follows the chain to its end, serves snapshots, writes "ready ADDRESS", and then answers each line
// "WORK TIMES" with how often it did the work.
func runBench(arguments []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("name a chain folder")
	}
	chain, err := folder.Read(flags.Arg(0))
	if err != nil {
		return err
	}
	benched, err := newBenched(chain)
	if err != nil {
		return err
	}
	defer benched.node.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxSendMsgSize(snapshotBytesMax))
	access.RegisterAccessAPIServer(server, benched.snapshots())
	defer server.Stop()
	go func() { _ = server.Serve(listener) }()
	fmt.Printf("ready %v\n", listener.Addr())
	return answer(benched.works(), os.Stdin, os.Stdout)
}

// answer does what each line asks for, to the end of the input.
func answer(works map[string]work, input io.Reader, output io.Writer) error {
	lines := bufio.NewScanner(input)
	for lines.Scan() {
		var name string
		var times int
		if _, err := fmt.Sscanf(lines.Text(), "%s %d", &name, &times); err != nil || works[name] == nil {
			return fmt.Errorf("expected a work and how often, found %q", lines.Text())
		}
		done, err := works[name](times)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if _, err := fmt.Fprintln(output, done); err != nil {
			return err
		}
	}
	return lines.Err()
}

// inTurn does something with one of the items after the other, and with the first again after the last.
func inTurn[T any](items []T, do func(item T) error) work {
	next := 0
	return func(times int) (int, error) {
		for range times {
			if err := do(items[next]); err != nil {
				return 0, err
			}
			next = (next + 1) % len(items)
		}
		return times, nil
	}
}
