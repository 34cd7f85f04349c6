// The package in Node, against a real server: from the root to the head, and every question.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { LightClient, MemoryStore, Server } from "../../target/wasm-pkg/node.js";
import { TrustedState, load } from "../../target/wasm-pkg/verifier_node.js";
import { test } from "./bounded.js";
import { commandLine, expected, startServer } from "./servers.js";

const CHAIN = "thirty-epochs";
let server, rows, checkpoint, head;

before(async () => {
  server = await startServer(CHAIN);
  rows = await expected(CHAIN);
  checkpoint = rows[0].block_id;
  head = rows.filter((row) => row.finalized).reduce((a, b) => (a.height > b.height ? a : b));
});
after(() => server.stop());

const start = (options) => LightClient.start({ url: server.url, checkpoint, ...options });

test("a sync from the root ends at the head that flow-go finalized", async () => {
  const client = await start();
  const pages = [];
  const { answer, hops, ...rest } = await client.sync((progress) => pages.push(progress));
  assert.equal(rest.head.block_id, head.block_id);
  assert.equal(rest.head.height, head.height);
  assert.equal(answer.block_id, head.block_id);
  assert.equal(answer.epoch_counter, head.epoch_counter);
  assert.equal(answer.epoch_phase, head.epoch_phase);
  assert.equal(answer.protocol_state_id, head.protocol_state_id);
  assert.equal(pages.at(-1).target_epoch_counter, head.epoch_counter);
  assert.ok(hops >= 25, `${hops} hops`);
});

test("a second run is warm", async () => {
  const store = new MemoryStore();
  const cold = await (await start({ store })).sync();
  const warm = await (await start({ store })).sync();
  assert.equal(warm.hops, 0);
  assert.deepEqual(warm.head, cold.head);
  assert.ok(warm.bytes_received < 2048, `${warm.bytes_received} bytes`);
});

test("a store never goes back", async () => {
  const store = new MemoryStore();
  const young = await start();
  const old = young.exportState();
  await (await start({ store })).sync();
  const kept = await store.load(checkpoint);
  const entry = { bytes: old, newest_epoch_counter: 8, head_height: 1, head_id: checkpoint };
  assert.equal(await store.save(checkpoint, entry), false);
  assert.deepEqual(await store.load(checkpoint), kept);
  const conflicting = { ...entry, head_height: head.height, newest_epoch_counter: 99 };
  await assert.rejects(store.save(checkpoint, conflicting), { rule: "ConflictingFinality" });
});

test("what is kept and damaged is not passed over", async () => {
  const client = await start();
  const bytes = client.exportState();
  bytes[bytes.length >> 1] ^= 1;
  const store = { load: async () => bytes, save: async () => true };
  await assert.rejects(start({ store }), { kind: "store", rule: "Damaged" });
});

test("answers are those that the command line prints", async () => {
  const client = await start();
  await client.sync();
  const height = head.height - 40;
  const at = { height };
  const nodes = await client.identities({}, at);
  const nodeId = nodes.identities[1].node_id;
  const questions = [
    [client.epoch(at), ["epoch"]],
    [client.status(at), ["status"]],
    [client.snapshot(at), ["snapshot"]],
    [client.identity(nodeId, at), ["identity", nodeId]],
    [client.identities({}, at), ["identities"]],
    [client.identities({ roles: ["consensus"], statuses: ["active"] }, at),
      ["identities", "--role", "consensus", "--status", "active"]],
    [client.seal(at), ["seal"]],
    [client.executionResult(at), ["result"]],
  ];
  for (const [asked, options] of questions) {
    const printed = await commandLine(server.url, checkpoint, ...options, "--height", `${height}`);
    assert.deepEqual(await asked, printed, options[0]);
  }
});

test("a seal in a later epoch is walked to", async () => {
  const first = rows[0].epoch_counter;
  const ofFirst = rows.filter((row) => row.finalized && row.epoch_counter === first);
  for (const { height } of ofFirst.slice(-3)) {
    // Not synced: only the checkpoint's epoch is known at first, perhaps the next.
    const client = await start();
    const status = await client.status({ height });
    assert.deepEqual([status.height, status.sealed, status.trust], [height, true, "sealed"]);
  }
});

test("selectors, epochs and absence", async () => {
  const client = await start();
  const row = rows.find((row) => row.finalized && row.height === head.height - 40);
  const byId = await client.epoch({ id: row.block_id });
  assert.equal(byId.height, row.height);
  assert.equal(byId.epoch_counter, row.epoch_counter);
  const bigHeight = await client.epoch({ height: BigInt(row.height) });
  assert.deepEqual(bigHeight, byId);
  const current = await client.epochEvents("current", { id: row.block_id });
  assert.equal(current.epoch_counter, row.epoch_counter);
  const previous = await client.epochEvents("previous", { id: row.block_id });
  assert.equal(previous.epoch_counter, row.epoch_counter - 1);
  const sealed = await client.seal();
  assert.equal(sealed.trust, "sealed");
  const absent = await client.identity("00".repeat(32));
  assert.deepEqual(absent.identities, []);
  const linked = await client.ask({ block: { height: row.height }, topic: "snapshot" },
    { proof: "linked" });
  assert.equal(linked.anchored_by.kind, "hash_links");
});

test("questions at the same time are answered one by one", async () => {
  const client = await start();
  const answers = await Promise.all([client.epoch(), client.identities(), client.status()]);
  for (const answer of answers) assert.equal(answer.block_id, head.block_id);
});

test("refusals say what they are", async () => {
  const client = await start();
  await assert.rejects(client.epoch({ height: 10_000_000 }), { kind: "transport", status: 11 });
  await assert.rejects(client.epoch({ id: "ab".repeat(32) }), { kind: "transport" });
  await assert.rejects(start({ url: "http://127.0.0.1:1" }), { kind: "transport", rule: "Unavailable" });
});

test("wrong arguments say what they are", async () => {
  const client = await start();
  const usage = { name: "WeirError", kind: "usage", rule: "Argument" };
  for (const wrong of [
    () => client.epoch({}),
    () => client.epoch({ height: -1 }),
    () => client.epoch("latest"),
    () => client.identity("xyz"),
    () => client.identities({ roles: ["king"] }),
    () => client.ask({ block: "latest_finalized", topic: "other" }),
    () => client.ask({ block: "latest_finalized", topic: "snapshot" }, { proof: "sealled" }),
    () => client.ask({ block: "latest_finalized", topic: "snapshot" }, { proof: 5 }),
    () => client.ask({ block: "latest_finalized", topic: "snapshot" }, { view: "all" }),
    () => client.epoch("latest_finalized", { signal: {} }),
    () => client.prove({ block: "latest_finalized", topic: "snapshot" }),
    () => client.sync("progress"),
    () => client.askTree([{ king: 1 }]),
    () => client.watch({ level: "surely" }).next(),
    () => client.watch({ kind: "epoch" }).next(),
    () => client.watch({ kinds: "epoch" }).next(),
    () => client.watch({ kinds: ["moon"] }).next(),
    () => client.watch({ after: "yesterday" }).next(),
    () => client.watch({ node_ids: ["12"] }).next(),
  ]) {
    await assert.rejects(wrong(), usage, String(wrong));
  }
  const block = await client.epoch();
  assert.equal(block.block_id, head.block_id, "the client goes on");
});

test("wrong options say what they are", async () => {
  const usage = { name: "WeirError", kind: "usage", rule: "Argument" };
  for (const wrong of [
    { checkpoint: "12" },
    { checkpoint: undefined },
    { url: undefined },
    { url: undefined, servers: [] },
    { servers: [server.url] },
    { url: 9400 },
    { url: `${server.url}#key` },
    { store: {} },
    { clock: 5 },
    { clock: { trusting_period_ms: 1 } },
    { clock: { clock_skew_ms: -1 } },
    { keepEvidence: "yes" },
    { keepEvidence: true, state: new Uint8Array() },
    { state: "bytes" },
    { signal: {} },
    { timeoutMs: 0 },
    { timeOutMs: 5 },
    { evidenceBytesMax: "64 MiB" },
  ]) {
    await assert.rejects(start(wrong), usage, JSON.stringify(wrong));
  }
  await assert.rejects(LightClient.start(), usage);
  for (const url of ["ftp://127.0.0.1", "127.0.0.1:9400", "", "http://", "no url"]) {
    await assert.rejects(start({ url }), { kind: "transport", rule: "Url" }, url);
    assert.throws(() => new Server(url), { kind: "transport", rule: "Url" });
  }
});

test("the clock bounds trust", async () => {
  const client = await start({ clock: { now_ms: 1 } });
  await assert.rejects(client.epoch(), { kind: "missing", rule: "Clock" });
  const expired = await start({ clock: { trusting_period_ms: 3_600_000 } });
  await assert.rejects(expired.sync(), { kind: "missing", rule: "TrustExpired" });
});

test("a state goes to another client as bytes", async () => {
  await load();
  const client = await start();
  await client.sync();
  const bytes = client.exportState();
  const state = TrustedState.fromBytes(bytes);
  assert.deepEqual(state.summary(), client.trusted);
  assert.deepEqual(state.toBytes(), bytes);
  assert.throws(() => TrustedState.fromBytes(new Uint8Array([1, 2])), { kind: "invalid" });
  const other = await start({ state: bytes });
  assert.deepEqual(other.trusted, client.trusted);
  assert.equal((await other.sync()).hops, 0);
  await assert.rejects(start({ state: bytes.slice(1) }), { kind: "invalid" });
  await assert.rejects(start({ state: bytes, checkpoint: head.block_id }),
    { kind: "usage", rule: "AnotherCheckpoint" });
});

test("a progress that fails, or a store, ends the sync and not the client", async () => {
  const client = await start();
  const broken = new Error("the bar is broken");
  await assert.rejects(client.sync(() => { throw broken; }), (error) => error === broken);
  assert.equal((await client.sync()).head.block_id, head.block_id);
  const full = new Error("no room");
  let saves = 0;
  const store = {
    load: async () => undefined,
    save: async () => { if ((saves += 1) === 2) throw full; },
  };
  const kept = await start({ store });
  await assert.rejects(kept.sync(), (error) => error === full);
  assert.equal((await kept.sync()).head.block_id, head.block_id);
});

test("a signal ends what it is given to, and nothing else", async () => {
  const reason = new Error("enough");
  const aborted = AbortSignal.abort(reason);
  const isReason = (error) => error === reason;
  await assert.rejects(start({ signal: aborted }), isReason);
  const client = await start();
  await assert.rejects(client.sync(() => {}, { signal: aborted }), isReason);
  await assert.rejects(client.epoch("latest_finalized", { signal: aborted }), isReason);
  await assert.rejects(client.treeRoot("latest_finalized", { signal: aborted }), isReason);
  await assert.rejects(client.watch({ signal: aborted }).next(), isReason);
  // Half way: what was proved until then stays.
  const control = new AbortController();
  const half = client.sync(() => control.abort(reason), { signal: control.signal });
  await assert.rejects(half, isReason);
  assert.ok(client.trusted.newest_epoch_counter > rows[0].epoch_counter);
  assert.equal((await client.sync()).head.block_id, head.block_id);
});
