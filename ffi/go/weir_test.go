package weir

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// dead is an address where nobody listens.
const dead = "http://127.0.0.1:1"

// served is the server that `cargo xtask ffi-test` starts.
type served struct {
	url, checkpoint, headID string
	after                   uint64
}

func server(t *testing.T) served {
	t.Helper()
	url := os.Getenv("WEIR_TEST_URL")
	if url == "" {
		t.Skip("WEIR_TEST_URL names no server; `cargo xtask ffi-test` starts one")
	}
	after, err := strconv.ParseUint(os.Getenv("WEIR_TEST_AFTER"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return served{
		url:        url,
		checkpoint: os.Getenv("WEIR_TEST_CHECKPOINT"),
		headID:     os.Getenv("WEIR_TEST_HEAD_ID"),
		after:      after,
	}
}

func started(t *testing.T, options Options) *Client {
	t.Helper()
	client, err := Start(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func wants(t *testing.T, err error, kind Kind, rule string) {
	t.Helper()
	var found *Error
	if !errors.As(err, &found) || found.Kind != kind || found.Rule != rule {
		t.Fatalf("%v, where %s %s is due", err, kind, rule)
	}
}

type block struct {
	BlockID string `json:"block_id"`
}

var snapshot = map[string]any{"block": "latest_finalized", "topic": "snapshot"}

func TestSyncsAndAsks(t *testing.T) {
	at, ctx := server(t), context.Background()
	client := started(t, Options{Servers: []string{dead, at.url}, Checkpoint: at.checkpoint})
	pages := 0
	told, err := client.Sync(ctx, func(Progress) { pages++ })
	if err != nil {
		t.Fatal(err)
	}
	var synced struct {
		Answer  block
		Servers []struct{ Verdict string }
	}
	if err := json.Unmarshal(told.Value, &synced); err != nil {
		t.Fatal(err)
	}
	if synced.Answer.BlockID != at.headID || pages == 0 {
		t.Fatalf("%s after %d pages", told.Value, pages)
	}
	if synced.Servers[0].Verdict != "silent" || synced.Servers[1].Verdict != "agrees" {
		t.Fatalf("%s", told.Value)
	}
	for _, depth := range []Depth{"", Final, Sealed, Linked} {
		told, err := client.Ask(ctx, snapshot, depth)
		var found block
		if err != nil || json.Unmarshal(told.Value, &found) != nil || found.BlockID != at.headID {
			t.Fatalf("%s, %v", told.Value, err)
		}
	}
	if _, err := client.TreeRoot(ctx, "latest_finalized"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.AskTree(ctx, "latest_finalized", "table"); err != nil {
		t.Fatal(err)
	}
	warm := started(t, Options{
		Servers: []string{at.url}, Checkpoint: at.checkpoint, State: client.State(),
	})
	if _, err := warm.Sync(ctx, nil); err != nil {
		t.Fatal(err)
	}
	var report struct{ Hops uint64 }
	if err := json.Unmarshal(warm.Report(), &report); err != nil || report.Hops != 0 {
		t.Fatalf("%s, %v", warm.Report(), err)
	}
	if string(warm.Trusted()) != string(client.Trusted()) {
		t.Fatalf("%s is not %s", warm.Trusted(), client.Trusted())
	}
}

func TestKeepsEvidence(t *testing.T) {
	at, ctx := server(t), context.Background()
	client := started(t, Options{
		Servers: []string{at.url}, Checkpoint: at.checkpoint, KeepEvidence: true,
	})
	told, err := client.Ask(ctx, snapshot, "")
	if err != nil || len(told.Evidence) == 0 {
		t.Fatalf("%d bytes of evidence, %v", len(told.Evidence), err)
	}
	file := filepath.Join(t.TempDir(), "evidence")
	if err := os.WriteFile(file, told.Evidence, 0o600); err != nil {
		t.Fatal(err)
	}
	weir := filepath.Join("..", "..", "target", "debug", "weir")
	said, err := exec.Command(weir, "verify", file, "--checkpoint", at.checkpoint, "--json").Output()
	if err != nil || !strings.Contains(string(said), at.headID) {
		t.Fatalf("%s, %v", said, err)
	}
}

func TestWatches(t *testing.T) {
	at := server(t)
	client := started(t, Options{Servers: []string{dead, at.url}, Checkpoint: at.checkpoint})
	events := func(watch WatchOptions, count int) (found []json.RawMessage) {
		for event, err := range client.Watch(context.Background(), watch) {
			if err != nil {
				t.Fatal(err)
			}
			if found = append(found, event); len(found) == count {
				break
			}
		}
		return found
	}
	all := events(WatchOptions{After: at.after}, 6)
	var third struct{ Cursor string }
	if err := json.Unmarshal(all[2], &third); err != nil {
		t.Fatal(err)
	}
	for index, event := range events(WatchOptions{After: third.Cursor}, 3) {
		if string(event) != string(all[3+index]) {
			t.Fatalf("%s is not %s", event, all[3+index])
		}
	}
	for _, err := range client.Watch(context.Background(), WatchOptions{Level: "surely"}) {
		wants(t, err, Usage, "Argument")
	}
}

func TestAContextEndsWhatItIsGivenTo(t *testing.T) {
	at := server(t)
	client := started(t, Options{Servers: []string{at.url}, Checkpoint: at.checkpoint})
	ctx, cancel := context.WithCancel(context.Background())
	if _, err := client.Sync(ctx, func(Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := client.Sync(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	// Nothing more happens on a chain that is indexed to its end.
	ctx, cancel = context.WithCancel(context.Background())
	waiting := make(chan error)
	go func() {
		for _, err := range client.Watch(ctx, WatchOptions{Kinds: []string{}}) {
			waiting <- err
		}
	}()
	if _, err := client.Ask(context.Background(), snapshot, ""); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

func TestRefusesWhatMakesNoSense(t *testing.T) {
	at, ctx := server(t), context.Background()
	for _, options := range []Options{
		{Checkpoint: at.checkpoint},
		{Servers: []string{at.url}, Checkpoint: "12"},
		{Servers: []string{at.url + "#key"}, Checkpoint: at.checkpoint},
		{Servers: []string{at.url}, Checkpoint: at.checkpoint, Clock: Clock{TrustingPeriodMs: 1}},
	} {
		_, err := Start(ctx, options)
		wants(t, err, Usage, "Argument")
	}
	_, err := Start(ctx, Options{Servers: []string{dead}, Checkpoint: at.checkpoint})
	wants(t, err, Transport, "Unavailable")
	_, err = Start(ctx, Options{
		Servers: []string{at.url}, Checkpoint: at.checkpoint, State: []byte{1},
	})
	var found *Error
	if !errors.As(err, &found) || found.Kind != Invalid {
		t.Fatal(err)
	}
	client := started(t, Options{Servers: []string{at.url}, Checkpoint: at.checkpoint})
	_, err = client.Ask(ctx, map[string]any{"block": "now"}, "")
	wants(t, err, Usage, "Argument")
	_, err = client.Ask(ctx, snapshot, "surely")
	wants(t, err, Usage, "Argument")
	early := started(t, Options{
		Servers: []string{at.url}, Checkpoint: at.checkpoint, Clock: Clock{NowMs: 1},
	})
	_, err = early.Ask(ctx, snapshot, "")
	wants(t, err, Missing, "Clock")
}
