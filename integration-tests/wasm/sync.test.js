// The package in Node, against a real server: from the root to the head, and every question.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { LightClient, MemoryStore, TrustedState, load } from "../../target/wasm-pkg/node.js";
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

test("refusals and wrong arguments say what they are", async () => {
  const client = await start();
  await assert.rejects(client.epoch({ height: 10_000_000 }), { kind: "transport", status: 11 });
  await assert.rejects(client.epoch({ id: "ab".repeat(32) }), { kind: "transport" });
  await assert.rejects(client.epoch({}), { kind: "usage" });
  await assert.rejects(client.identity("xyz"), { kind: "usage" });
  await assert.rejects(client.ask({ block: "latest_finalized", topic: "other" }), { kind: "usage" });
  await assert.rejects(start({ checkpoint: "12" }), { kind: "usage" });
  await assert.rejects(start({ url: "ftp://127.0.0.1" }), { kind: "transport", rule: "Url" });
  await assert.rejects(start({ url: "http://127.0.0.1:1" }), { rule: "Unavailable" });
});

test("the clock bounds trust", async () => {
  const client = await start({ clock: { now_ms: 1 } });
  await assert.rejects(client.epoch(), { kind: "missing", rule: "Clock" });
  const impatient = await start({ clock: { trusting_period_ms: 1 } });
  await assert.rejects(impatient.epoch(), { kind: "usage" });
  const expired = await start({ clock: { trusting_period_ms: 3_600_000 } });
  await assert.rejects(expired.sync(), { kind: "missing", rule: "TrustExpired" });
});

test("a state survives as bytes", async () => {
  await load();
  const client = await start();
  await client.sync();
  const state = TrustedState.fromBytes(client.exportState());
  assert.deepEqual(state.summary(), client.trusted);
  assert.deepEqual(state.toBytes(), client.exportState());
  assert.throws(() => TrustedState.fromBytes(new Uint8Array([1, 2])), { kind: "invalid" });
});
