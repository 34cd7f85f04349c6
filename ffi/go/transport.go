package weir

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// refusal is a gRPC status other than 0.
type refusal struct {
	code    uint8
	message string
	details []byte
}

func (r *refusal) Error() string { return r.message }

// call is one call by gRPC-web: messages come from it one after the other.
type call struct {
	response *http.Response
	// end lets go of the connection.
	end context.CancelFunc
}

// dial sends a request, and waits for the head of the answer.
func dial(ctx context.Context, over *http.Client, server, path string, message []byte) (*call, error) {
	ctx, end := context.WithCancel(ctx)
	late := time.AfterFunc(answerWithin, end)
	defer late.Stop()
	opened, err := send(ctx, over, server+path, message)
	if err != nil {
		end()
		return nil, err
	}
	opened.end = end
	return opened, nil
}

func send(ctx context.Context, over *http.Client, url string, message []byte) (*call, error) {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	body := bytes.NewReader(append(frame, message...))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("content-type", "application/grpc-web+proto")
	request.Header.Set("x-grpc-web", "1")
	response, err := over.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("HTTP %d", response.StatusCode)
	}
	if status := response.Header.Get("grpc-status"); status != "" && status != "0" {
		response.Body.Close()
		return nil, refused(response.Header.Get)
	}
	return &call{response: response}, nil
}

// message is the next one.
func (c *call) message() ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.response.Body, head[:]); err != nil {
		return nil, fmt.Errorf("the answer is cut off: %w", err)
	}
	length := binary.BigEndian.Uint32(head[1:])
	if length > messageBytesMax {
		return nil, fmt.Errorf("more than %d bytes", messageBytesMax)
	}
	// Room is taken as bytes come, not as a server says.
	content, err := io.ReadAll(io.LimitReader(c.response.Body, int64(length)))
	if err == nil && len(content) < int(length) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, fmt.Errorf("the answer is cut off: %w", err)
	}
	if head[0] == 0 {
		return content, nil
	}
	trailers := http.Header{}
	for _, line := range strings.Split(string(content), "\r\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			trailers.Set(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
	if trailers.Get("grpc-status") != "0" {
		return nil, refused(trailers.Get)
	}
	return nil, errors.New("the stream ended")
}

// within is the next message, if it comes in time.
func (c *call) within(ctx context.Context, patience time.Duration) ([]byte, error) {
	late := time.AfterFunc(patience, c.end)
	defer late.Stop()
	stop := context.AfterFunc(ctx, c.end)
	defer stop()
	return c.message()
}

func (c *call) receipt() []byte {
	return decoded(c.response.Header.Get("weir-receipt-bin"))
}

func (c *call) close() {
	c.end()
	c.response.Body.Close()
}

func refused(field func(string) string) error {
	code, err := strconv.ParseUint(field("grpc-status"), 10, 8)
	if err != nil {
		return errors.New("no status")
	}
	message, err := url.PathUnescape(field("grpc-message"))
	if err != nil {
		message = field("grpc-message")
	}
	// No text of C's has a NUL.
	message = strings.ReplaceAll(message, "\x00", "")
	details := decoded(field("grpc-status-details-bin"))
	return &refusal{code: uint8(code), message: message, details: details}
}

// decoded reads the bytes of a header whose name ends with `-bin`.
func decoded(text string) []byte {
	found, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil
	}
	return found
}

const (
	// answerWithin is how long the head of an answer may take, and a whole answer after it.
	answerWithin = time.Minute
	// messageBytesMax is how long a message may be.
	messageBytesMax = 64<<20 + 16<<10
)
