// Servers that lie, stall or babble; each lie beside its honest twin, through the same proxy.

import assert from "node:assert/strict";
import { after, before, beforeEach } from "node:test";

import { LightClient, MemoryStore } from "../../target/wasm-pkg/node.js";
import { test } from "./bounded.js";
import { expected, flipped, inMessage, startProxy, startServer } from "./servers.js";

let server, proxy, checkpoint, head;

before(async () => {
  server = await startServer("thirty-epochs");
  proxy = await startProxy(server.url);
  const rows = await expected("thirty-epochs");
  checkpoint = rows[0].block_id;
  head = rows.filter((row) => row.finalized).reduce((a, b) => (a.height > b.height ? a : b));
});
beforeEach(() => { proxy.twist = undefined; });
after(async () => {
  await proxy.stop();
  await server.stop();
});

const start = (options) => LightClient.start({ url: proxy.url, checkpoint, ...options });
/** Lies in one call, and is honest in all others. */
const lieIn = (lied, lie) => { proxy.twist = (method) => (method === lied ? lie : undefined); };

/** The lie fails as told and moves nothing; without it the same client gets its answer. */
async function refused(method, lie, error, ask = (client) => client.epoch()) {
  const client = await start();
  await client.sync();
  const before = client.exportState();
  lieIn(method, lie);
  await assert.rejects(ask(client), error);
  assert.deepEqual(client.exportState(), before);
  proxy.twist = undefined;
  const answer = await ask(client);
  assert.ok(["finalized", "sealed"].includes(answer.trust));
}

test("the proxy is honest unless told otherwise", async () => {
  const client = await start();
  const { head: found } = await client.sync();
  assert.equal(found.block_id, head.block_id);
});

test("a flipped bit in the evidence of an answer is found", async () => {
  const atHead = (client) => client.identities({}, { height: head.height - 30 });
  for (const part of [0.1, 0.2, 0.3, 0.7, 0.85, 0.99]) {
    const rejected = ({ kind, url }) =>
      ["invalid", "missing", "not-yet"].includes(kind) && url === proxy.url;
    await refused("ListIdentities", { answer: flipped(part) }, rejected, atHead);
  }
});

test("a flipped bit anywhere changes no answer", async () => {
  const client = await start();
  await client.sync();
  const ask = () => client.identities({}, { height: head.height - 30 });
  const { trust: _, ...honest } = await ask();
  let rejected = 0;
  for (let part = 0; part < 1; part += 0.02) {
    lieIn("ListIdentities", { answer: flipped(part) });
    try {
      // Without the proof of its seal the block is still proved final.
      const { trust, ...found } = await ask();
      assert.ok(["finalized", "sealed"].includes(trust));
      assert.deepEqual(found, honest);
    } catch (error) {
      if (!["invalid", "missing", "not-yet"].includes(error.kind)) throw error;
      rejected += 1;
    }
  }
  assert.ok(rejected >= 30, `${rejected} of 50 were rejected`);
});

test("a flipped bit in a checkpoint is found", async () => {
  for (const part of [0.01, 0.3, 0.6, 0.99]) {
    lieIn("GetCheckpoint", { answer: flipped(part) });
    await assert.rejects(start(), ({ kind }) => ["invalid", "missing", "not-yet"].includes(kind));
    proxy.twist = undefined;
    assert.equal((await start()).trusted.head.block_id, checkpoint);
  }
});

test("a flipped bit in a page of hops ends the sync, and what was proved before is kept", async () => {
  const store = new MemoryStore();
  const client = await start({ store });
  lieIn("GetEpochHops", { answer: flipped(0.5) });
  await assert.rejects(client.sync(), ({ kind }) => ["invalid", "missing", "not-yet"].includes(kind));
  const reached = client.trusted.newest_epoch_counter;
  assert.deepEqual(await store.load(checkpoint), client.exportState());
  proxy.twist = undefined;
  const { hops, head: found } = await client.sync();
  assert.equal(found.block_id, head.block_id);
  assert.ok(client.trusted.newest_epoch_counter > reached);
  assert.ok(hops > 0);
});

test("the answer about another height is refused", async () => {
  const height = head.height - 50;
  const varint = (number) => Buffer.from([(number & 0x7f) | 0x80, number >> 7]);
  const other = (body) => {
    const at = body.indexOf(varint(height));
    assert.ok(at > 0);
    varint(height - 1).copy(body, at);
    return body;
  };
  const about = (client) => client.epoch({ height });
  await refused("GetSnapshot", { request: other }, { kind: "invalid", rule: "AnotherQuestion" }, about);
});

test("the answer to another question is refused", async () => {
  const client = await start();
  await client.sync();
  let earlier;
  lieIn("GetSnapshot", { answer: (body) => { earlier = Buffer.from(body); return body; } });
  await client.epoch({ height: head.height - 8 });
  proxy.twist = undefined;
  const lie = { answer: () => earlier };
  const about = (asked) => asked.epoch({ height: head.height - 9 });
  await refused("GetSnapshot", lie, { kind: "invalid", rule: "AnotherQuestion" }, about);
});

test("evidence that is cut off is refused", async () => {
  const cut = inMessage((message) => {
    // One byte of evidence less, with a length that is right.
    const start = message.indexOf(0x12) === 0 ? 1 : 0;
    let [length, at] = [0, start];
    for (let shift = 0; ; shift += 7) {
      length |= (message[at] & 0x7f) << shift;
      if (message[at++] < 0x80) break;
    }
    const shorter = Buffer.from(message.subarray(0, -1));
    shorter[start] = ((length - 1) & 0x7f) | (shorter[start] & 0x80);
    shorter[start + 1] = (length - 1) >> 7;
    return shorter;
  });
  await refused("GetSnapshot", { answer: cut }, { kind: "invalid", rule: "Evidence" });
});

test("an answer that is cut off is malformed", async () => {
  for (const length of [1, 4, 100]) {
    const lie = { answer: (body) => body.subarray(0, length) };
    await refused("GetSnapshot", lie, { kind: "transport", rule: "Malformed" });
  }
});

test("an answer without its end is malformed", async () => {
  const lie = { answer: (body) => body.subarray(0, 5 + body.readUInt32BE(1)) };
  await refused("GetSnapshot", lie, { kind: "transport", rule: "Malformed" });
});

test("an endless drip ends with the timeout", async () => {
  const drip = {
    write: (response, body) => {
      let at = 0;
      const timer = setInterval(() => response.write(body.subarray(at, (at += 1))), 5);
      response.on("close", () => clearInterval(timer));
    },
  };
  const client = await start({ timeoutMs: 1_000 });
  lieIn("GetSnapshot", drip);
  await assert.rejects(client.snapshot(), { kind: "transport", rule: "Timeout" });
  proxy.twist = undefined;
  assert.ok(await client.snapshot());
});

test("an endless answer ends at its limit", async () => {
  const flood = {
    write: (response, body) => {
      // One message, longer than any may be.
      body.writeUInt32BE(0x7fffffff, 1);
      const more = () => {
        while (response.writable && response.write(Buffer.alloc(1 << 14))) { /* until it is full */ }
      };
      response.write(body);
      response.on("drain", more);
      more();
    },
  };
  const client = await start({ evidenceBytesMax: 200_000 });
  lieIn("GetSnapshot", flood);
  await assert.rejects(client.snapshot(), { kind: "transport", rule: "TooLarge" });
  proxy.twist = undefined;
  assert.ok(await client.snapshot());
});

test("something else than a weir server is named so", async () => {
  const page = { headers: { "content-type": "text/html" }, answer: () => Buffer.from("<html>") };
  await refused("GetSnapshot", page, { kind: "transport", rule: "NotWeir" });
});

test("a server that promises more epochs than it has does not hold a sync forever", async () => {
  // The target is only shown; a page without hops ends the walk.
  lieIn("GetServerInfo", { answer: inMessage((message) =>
    Buffer.concat([message, Buffer.from([15 << 3, 0xff, 0xff, 0xff, 0x7f])])) });
  const client = await start();
  const seen = [];
  await client.sync((progress) => seen.push(progress.target_epoch_counter));
  assert.ok(seen.every((target) => target > 1_000_000));
});
