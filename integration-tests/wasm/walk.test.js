// What the walk does beyond one server: witnesses, receipts, evidence for others, trees, watches.

import assert from "node:assert/strict";
import { after, before, beforeEach } from "node:test";

import { LightClient } from "../../target/wasm-pkg/node.js";
import { test } from "./bounded.js";
import {
  commandLine, expected, fileOf, flipped, program, startProxy, startServer, weir,
} from "./servers.js";

const CHAIN = "thirty-epochs";
let server, signing, proxy, signingProxy, checkpoint, head, rows;

before(async () => {
  server = await startServer(CHAIN);
  signing = await startServer(CHAIN, { signs: true });
  proxy = await startProxy(server.url);
  signingProxy = await startProxy(signing.url);
  rows = await expected(CHAIN);
  checkpoint = rows[0].block_id;
  head = rows.filter((row) => row.finalized).reduce((a, b) => (a.height > b.height ? a : b));
});
beforeEach(() => { proxy.twist = signingProxy.twist = undefined; });
after(async () => {
  await Promise.all([proxy.stop(), signingProxy.stop(), server.stop(), signing.stop()]);
});

const start = (servers, options) => LightClient.start({ servers, checkpoint, ...options });
const lieIn = (place, lied, lie) => {
  place.twist = (method) => (method === lied ? lie : undefined);
};

test("witnesses are asked about the head", async () => {
  const client = await start([server.url, signing.url]);
  const { servers, head: found } = await client.sync();
  assert.equal(found.block_id, head.block_id);
  const agrees = { head_height: head.height, lag: 0, verdict: "agrees" };
  assert.deepEqual(servers, [{ url: server.url, ...agrees }, { url: signing.url, ...agrees }]);
  assert.deepEqual(client.report, { lies: [], remarks: [] });
});

test("a silent server is left for the next one", async () => {
  const dead = "http://127.0.0.1:1";
  const client = await start([dead, server.url]);
  const { servers, head: found } = await client.sync();
  assert.equal(found.block_id, head.block_id);
  assert.deepEqual(servers.map(({ url, verdict }) => [url, verdict]),
    [[dead, "silent"], [server.url, "agrees"]]);
  assert.deepEqual(client.report.lies, []);
  // Nobody is left: each is named.
  const alone = start([dead, "http://127.0.0.1:2"]);
  await assert.rejects(alone, ({ kind, errors }) => kind === "transport" && errors.length === 2);
});

test("a lying server is set aside, its honest twin is not", async () => {
  for (const lie of [undefined, { answer: flipped(0.5) }]) {
    lieIn(proxy, "GetEpochHops", lie);
    const client = await start([proxy.url, server.url]);
    const { servers, head: found } = await client.sync();
    assert.equal(found.block_id, head.block_id);
    const verdicts = servers.map(({ verdict }) => verdict);
    assert.deepEqual(verdicts, [lie ? "set aside" : "agrees", "agrees"]);
    assert.deepEqual(client.report.lies.map(({ url }) => url), lie ? [proxy.url] : []);
  }
});

test("what one server refuses and another proves is told", async () => {
  lieIn(proxy, "GetSnapshot", {
    headers: { "grpc-status": "5", "grpc-message": "not%20here" }, answer: () => Buffer.alloc(0),
  });
  const client = await start([proxy.url, server.url]);
  assert.equal((await client.epoch()).block_id, head.block_id);
  const { lies, remarks } = client.report;
  assert.deepEqual(lies, []);
  assert.equal(remarks.length, 1);
  assert.match(remarks[0], /not here/);
});

test("a key takes only what it signed", async () => {
  const signed = await start([`${signing.url}#${signing.key}`]);
  assert.equal((await signed.sync()).head.block_id, head.block_id);
  const other = "ab".repeat(32);
  const kind = { kind: "transport", rule: "NoReceipt" };
  await assert.rejects(start([`${signing.url}#${other}`]), kind);
  await assert.rejects(start([`${server.url}#${signing.key}`]), kind);
});

test("a receipt for another question is none", async () => {
  const height = head.height - 50;
  const varint = (number) => Buffer.from([(number & 0x7f) | 0x80, number >> 7]);
  const client = await start([`${signingProxy.url}#${signing.key}`, server.url],
    { keepEvidence: true });
  await client.sync();
  lieIn(signingProxy, "GetSnapshot", {
    request: (body) => {
      varint(height - 1).copy(body, body.indexOf(varint(height)));
      return body;
    },
  });
  // No answer that counts, and so no lie.
  assert.equal((await client.epoch({ height })).height, height);
  assert.deepEqual(client.report.lies, []);
});

test("a lie comes with what shows it, as `weir verify` reads it", async () => {
  const client = await start([proxy.url, server.url], { keepEvidence: true });
  lieIn(proxy, "GetEpochHops", { answer: flipped(0.5) });
  await client.sync();
  const [lie] = client.report.lies;
  assert.equal(lie.url, proxy.url);
  assert.ok(lie.evidence instanceof Uint8Array);
  // Unsigned: somebody's word, which has an exit code of its own.
  const shown = fileOf(lie.evidence, (file) => weir(checkpoint, "verify", file));
  await assert.rejects(shown, ({ code, stdout }) => code === 9 && stdout.includes(proxy.url));
});

test("evidence stands alone, as `weir verify` reads it", async () => {
  const client = await start([server.url], { keepEvidence: true });
  const synced = await client.sync();
  const question = { block: { height: head.height - 40 }, topic: "snapshot" };
  const { answer, evidence } = await client.prove(question);
  for (const [told, file] of [[answer, evidence], [synced.answer, synced.evidence]]) {
    const read = await fileOf(file, (path) => weir(checkpoint, "verify", path));
    assert.deepEqual({ ...read, ...told }, read);
  }
  const without = await start([server.url]);
  assert.equal((await without.sync()).evidence, undefined);
});

test("trees are those that the command line prints", async () => {
  const client = await start([server.url]);
  await client.sync();
  const height = head.height - 40;
  const options = ["--height", `${height}`];
  const root = await client.treeRoot({ height });
  assert.deepEqual(root, await commandLine(server.url, checkpoint, "tree", "root", ...options));
  const { identities } = await client.identities({}, { height });
  const nodeId = identities[1].node_id;
  const items = [{ node: nodeId }, { role: "access" }, { field: "current_epoch.phase" }];
  const { answer, ...under } = await client.askTree(items, { height });
  assert.deepEqual(under, root);
  assert.deepEqual(answer.nodes[nodeId], identities[1]);
  assert.deepEqual(answer.roles.access, identities.filter(({ role }) => role === "access"));
  const phase = await commandLine(server.url, checkpoint, "tree", "field", "current_epoch.phase",
    ...options);
  assert.deepEqual(answer.fields["current_epoch.phase"], phase.value);
  const absent = await client.askTree([{ node: "00".repeat(32) }], { height });
  assert.equal(absent.answer.nodes["00".repeat(32)], null);
  // A client that has all parts asks by itself, and a lie is found by either.
  const whole = await start([proxy.url, server.url], { keepEvidence: true });
  assert.deepEqual(await whole.treeRoot({ height }), root);
  for (const asked of [whole, await start([proxy.url, server.url])]) {
    lieIn(proxy, "GetTreeProof", { answer: flipped(0.7) });
    assert.deepEqual((await asked.askTree(items, { height })).answer, answer);
    assert.deepEqual(asked.report.lies.map(({ url }) => url), [proxy.url]);
    proxy.twist = undefined;
  }
});

const COUNT = 12;

/** The first events after a place, until there are enough. */
async function events(client, options, count = COUNT) {
  const found = [];
  for await (const event of client.watch(options)) {
    found.push(event);
    if (found.length === count) break;
  }
  return found;
}

test("a watch tells what the command line prints, and goes on from a cursor", async () => {
  const client = await start([server.url]);
  await client.sync();
  const after = rows[0].height + 1;
  const found = await events(client, { after });
  const lines = await program("weir", "watch", "--after", `${after}`, "--count", `${COUNT}`,
    "--server", server.url, "--checkpoint", checkpoint, "--no-state", "--json");
  assert.deepEqual(found, lines.split("\n").map((line) => JSON.parse(line)));
  const rest = await events(client, { after: found[4].cursor }, COUNT - 5);
  assert.deepEqual(rest, found.slice(5));
  const epochs = await events(client, { after, kinds: ["epoch"] }, 3);
  const isEpoch = ({ event }) => event === "epoch";
  const without = (list) => list.map(({ predecessor: _, ...event }) => event);
  assert.deepEqual(without(epochs), without(found.filter(isEpoch)).slice(0, 3));
  // The client itself goes on with what it does.
  assert.equal((await client.epoch()).block_id, head.block_id);
});

test("a watch outlives a server, and waits until its signal", async () => {
  const reason = new Error("enough");
  const control = new AbortController();
  const client = await start([server.url]);
  await client.sync();
  const watch = client.watch({ signal: control.signal });
  const next = watch.next();
  // Nothing more happens on a chain that is indexed to its end.
  const waiting = Symbol("waiting");
  const settled = await Promise.race([next, client.epoch().then(() => waiting)]);
  assert.equal(settled, waiting);
  control.abort(reason);
  await assert.rejects(next, (error) => error === reason);
  assert.deepEqual(await watch.next(), { done: true, value: undefined });
  const dead = await start(["http://127.0.0.1:1", server.url]);
  await dead.sync();
  const after = rows[0].height + 1;
  assert.deepEqual(await events(dead, { after }, 3), await events(client, { after }, 3));
});

test("the status of blocks", async () => {
  const client = await start([server.url]);
  await client.sync();
  const sealed = rows.find((row) => row.finalized && row.height === head.height - 60);
  const found = await events(client, { kinds: [], block_ids: [sealed.block_id] }, 3);
  assert.deepEqual(found.map(({ event, status }) => [event, status]),
    [["status", "certified"], ["status", "finalized"], ["status", "sealed"]]);
});
