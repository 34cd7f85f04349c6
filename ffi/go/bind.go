package weir

/*
#cgo LDFLAGS: -lweir_c -lpthread -ldl -lm
#include <stdlib.h>
#include <weir.h>
*/
import "C"

import (
	"runtime"
	"time"
	"unsafe"
)

// client is the walk behind a handle; the library keeps calls of several goroutines apart.
type client struct{ handle *C.WeirClient }

// step says what to do next.
type step struct {
	kind     uint32
	server   uint32
	path     string
	message  []byte
	patience time.Duration
	progress Progress
}

const (
	stepDone      = C.WEIR_STEP_DONE
	stepCall      = C.WEIR_STEP_CALL
	stepSubscribe = C.WEIR_STEP_SUBSCRIBE
	stepNext      = C.WEIR_STEP_NEXT
	stepProgress  = C.WEIR_STEP_PROGRESS
)

func open(options string, kept []byte) (*client, error) {
	text := C.CString(options)
	defer C.free(unsafe.Pointer(text))
	opened := &client{}
	var failed *C.WeirError
	status := C.weir_client_start(text, first(kept), C.size_t(len(kept)), &opened.handle, &failed)
	if status != C.WEIR_STATUS_OK {
		return nil, takeError(status, failed)
	}
	runtime.SetFinalizer(opened, (*client).free)
	return opened, nil
}

func (c *client) free() {
	C.weir_client_free(c.handle)
	c.handle = nil
}

func (c *client) begin(task string) error {
	defer runtime.KeepAlive(c)
	text := C.CString(task)
	defer C.free(unsafe.Pointer(text))
	var failed *C.WeirError
	return takeError(C.weir_client_begin(c.handle, text, &failed), failed)
}

func (c *client) step(elapsed time.Duration, now time.Time) (step, error) {
	defer runtime.KeepAlive(c)
	var next C.WeirStep
	var failed *C.WeirError
	elapsedMs, nowMs := C.uint64_t(elapsed.Milliseconds()), C.uint64_t(now.UnixMilli())
	status := C.weir_client_step(c.handle, elapsedMs, nowMs, &next, &failed)
	if status != C.WEIR_STATUS_OK {
		return step{}, takeError(status, failed)
	}
	defer C.weir_step_free(next)
	return step{
		kind:     uint32(next.kind),
		server:   uint32(next.server),
		path:     C.GoString(next.path),
		message:  copied(next.message),
		patience: time.Duration(next.patience_ms) * time.Millisecond,
		progress: Progress{
			EpochCounter:       uint64(next.epoch_counter),
			FirstEpochCounter:  uint64(next.first_epoch_counter),
			TargetEpochCounter: uint64(next.target_epoch_counter),
			BytesReceived:      uint64(next.bytes_received),
		},
	}, nil
}

func (c *client) hear(server uint32, message, receipt []byte) {
	defer runtime.KeepAlive(c)
	C.weir_client_hear(c.handle, C.uint32_t(server), first(message), C.size_t(len(message)),
		first(receipt), C.size_t(len(receipt)), nil)
}

func (c *client) hearNothing(server uint32, why string) {
	defer runtime.KeepAlive(c)
	text := C.CString(why)
	defer C.free(unsafe.Pointer(text))
	C.weir_client_hear_nothing(c.handle, C.uint32_t(server), text, nil)
}

func (c *client) hearRefusal(server uint32, refused *refusal) {
	defer runtime.KeepAlive(c)
	text := C.CString(refused.message)
	defer C.free(unsafe.Pointer(text))
	C.weir_client_hear_refusal(c.handle, C.uint32_t(server), C.uint8_t(refused.code), text,
		first(refused.details), C.size_t(len(refused.details)), nil)
}

func (c *client) cancel() {
	defer runtime.KeepAlive(c)
	C.weir_client_cancel(c.handle, nil)
}

func (c *client) take() (Told, error) {
	defer runtime.KeepAlive(c)
	var value *C.char
	var evidence C.WeirBytes
	var failed *C.WeirError
	status := C.weir_client_take(c.handle, &value, &evidence, &failed)
	if status != C.WEIR_STATUS_OK {
		return Told{}, takeError(status, failed)
	}
	defer C.weir_text_free(value)
	defer C.weir_bytes_free(evidence)
	return Told{Value: []byte(C.GoString(value)), Evidence: copied(evidence)}, nil
}

func (c *client) trusted() string {
	defer runtime.KeepAlive(c)
	var value *C.char
	C.weir_client_trusted(c.handle, &value, nil)
	defer C.weir_text_free(value)
	return C.GoString(value)
}

func (c *client) report() string {
	defer runtime.KeepAlive(c)
	var value *C.char
	C.weir_client_report(c.handle, &value, nil)
	defer C.weir_text_free(value)
	return C.GoString(value)
}

func (c *client) state() []byte {
	defer runtime.KeepAlive(c)
	var kept C.WeirBytes
	C.weir_client_to_bytes(c.handle, &kept, nil)
	defer C.weir_bytes_free(kept)
	return copied(kept)
}

func (c *client) misbehaviour(lie int) []byte {
	defer runtime.KeepAlive(c)
	var file C.WeirBytes
	C.weir_client_misbehaviour(c.handle, C.uint32_t(lie), &file, nil)
	defer C.weir_bytes_free(file)
	return copied(file)
}

func takeError(status uint32, failed *C.WeirError) error {
	if status == C.WEIR_STATUS_OK {
		return nil
	}
	defer C.weir_error_free(failed)
	rule, message := C.weir_error_rule(failed), C.weir_error_message(failed)
	return &Error{Kind: kinds[status], Rule: C.GoString(rule), Message: C.GoString(message)}
}

var kinds = map[uint32]Kind{
	C.WEIR_STATUS_MISSING:      Missing,
	C.WEIR_STATUS_INVALID:      Invalid,
	C.WEIR_STATUS_USAGE:        Usage,
	C.WEIR_STATUS_INTERNAL:     Internal,
	C.WEIR_STATUS_NOT_YET:      NotYet,
	C.WEIR_STATUS_NEEDS_UPDATE: NeedsUpdate,
	C.WEIR_STATUS_TRANSPORT:    Transport,
}

func first(bytes []byte) *C.uint8_t {
	return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(bytes)))
}

func copied(bytes C.WeirBytes) []byte {
	if bytes.len == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(bytes.data)), bytes.len)...)
}
