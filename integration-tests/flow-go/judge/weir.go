package judge

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// weir is Weir's judge: a program that reads frames and answers each with a line.
type weir struct {
	process *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// startWeir starts the program on the root snapshot of a chain.
func startWeir(program string, root []byte) (*weir, error) {
	process := exec.Command(program)
	process.Stderr = os.Stderr
	input, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	weir := &weir{process: process, input: input, output: bufio.NewReader(output)}
	refused, err := weir.ask('R', root)
	if err == nil && refused != nil {
		err = fmt.Errorf("the root snapshot: %w", refused)
	}
	return weir, err
}

// take gives it a block that it must accept and keep.
func (weir *weir) take(message []byte) error {
	refused, err := weir.ask('B', message)
	return errors.Join(refused, err)
}

// judge asks for its verdict of a block, which it does not keep. The second error is of the program itself.
func (weir *weir) judge(message []byte) (refused, err error) {
	return weir.ask('C', message)
}

func (weir *weir) ask(kind byte, message []byte) (refused, err error) {
	frame := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(message)))
	if _, err := weir.input.Write(append(frame, message...)); err != nil {
		return nil, fmt.Errorf("weir's judge ended: %w", err)
	}
	line, err := weir.output.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("weir's judge ended: %w", err)
	}
	line = strings.TrimSuffix(line, "\n")
	if line == "accepted" {
		return nil, nil
	}
	return errors.New(line), nil
}

// close ends the program.
func (weir *weir) close() error {
	return errors.Join(weir.input.Close(), weir.process.Wait())
}
