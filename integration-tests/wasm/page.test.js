// The package in a page of headless Chromium, against a real server of another origin and a lying
// one, with its trusted state in IndexedDB.

import assert from "node:assert/strict";
import { after, before, beforeEach } from "node:test";

import { test } from "./bounded.js";
import { startChromium } from "./chromium.js";
import { servePages } from "./pages.js";
import { expected, flipped, inMessage, startProxy, startServer } from "./servers.js";

const program = process.env.WEIR_CHROMIUM;
const options = { skip: program ? false : "WEIR_CHROMIUM names no browser" };

let server, proxy, pages, browser, page, checkpoint, head, rows;

before(async () => {
  if (!program) return;
  server = await startServer("thirty-epochs");
  proxy = await startProxy(server.url);
  pages = await servePages();
  browser = await startChromium(program);
  page = await browser.page();
  rows = await expected("thirty-epochs");
  checkpoint = rows[0].block_id;
  head = rows.filter((row) => row.finalized).reduce((a, b) => (a.height > b.height ? a : b));
});
beforeEach(async () => {
  if (!program) return;
  proxy.twist = undefined;
  await page.open(`${pages.url}/blank.html`);
});
after(async () => {
  await browser?.stop();
  await pages?.stop();
  await proxy?.stop();
  await server?.stop();
});

/** In the page: syncs with the state kept in IndexedDB. */
async function syncKept(url, checkpoint) {
  const { IndexedDbStore, LightClient } = await import("/weir/index.js");
  const client = await LightClient.start({ url, checkpoint, store: new IndexedDbStore() });
  const { head, hops, bytes_received } = await client.sync();
  return { head, hops, bytes_received };
}

test("a sync over gRPC-web, kept in IndexedDB, is warm after the page is loaded again", options,
  async () => {
    const cold = await page.call(syncKept, server.url, checkpoint);
    assert.equal(cold.head.block_id, head.block_id);
    assert.ok(cold.hops >= 25, `${cold.hops} hops`);
    await page.open(`${pages.url}/blank.html`);
    const warm = await page.call(syncKept, server.url, checkpoint);
    assert.deepEqual(warm.head, cold.head);
    assert.equal(warm.hops, 0);
    assert.ok(warm.bytes_received < 2048, `${warm.bytes_received} bytes`);
  });

test("every question", options, async () => {
  const answers = await page.call(async (url, checkpoint, height) => {
    const { LightClient } = await import("/weir/index.js");
    const client = await LightClient.start({ url, checkpoint });
    const at = { height };
    const nodes = await client.identities({ roles: ["consensus"] }, at);
    return {
      nodes,
      node: await client.identity(nodes.identities[0].node_id, at),
      absent: await client.identity("00".repeat(32), at),
      epoch: await client.epoch(at),
      status: await client.status(at),
      snapshot: await client.snapshot(at),
      events: await client.epochEvents("current", at),
      seal: await client.seal(at),
      result: await client.executionResult(at),
    };
  }, server.url, checkpoint, head.height - 40);
  for (const answer of Object.values(answers)) {
    assert.equal(answer.height, head.height - 40);
    assert.equal(answer.trust, "sealed");
  }
  assert.deepEqual(answers.node.identities, [answers.nodes.identities[0]]);
  assert.deepEqual(answers.absent.identities, []);
  assert.equal(answers.events.epoch_counter, answers.epoch.epoch_counter);
  assert.equal(answers.seal.result_id, answers.result.result_id);
});

test("IndexedDB never goes back, and what is damaged is not passed over", options, async () => {
  const found = await page.call(async (url, checkpoint) => {
    const { IndexedDbStore, LightClient } = await import("/weir/index.js");
    const store = new IndexedDbStore("other");
    const client = await LightClient.start({ url, checkpoint, store });
    const entry = {
      bytes: client.exportState(),
      newest_epoch_counter: client.trusted.newest_epoch_counter,
      head_height: client.trusted.head.height,
      head_id: client.trusted.head.block_id,
    };
    await client.sync();
    const wentBack = await store.save(checkpoint, entry);
    const same = `${await store.load(checkpoint)}` === `${client.exportState()}`;
    const conflicting = { ...entry, head_height: client.trusted.head.height };
    const conflict = await store.save(checkpoint, conflicting).catch((error) => error.rule);
    const damaged = { ...entry, bytes: entry.bytes.slice(1), newest_epoch_counter: 99 };
    await store.save(checkpoint, { ...damaged, head_height: 1e6 });
    const refused = await LightClient.start({ url, checkpoint, store }).catch((e) => e.rule);
    return { wentBack, same, conflict, refused };
  }, server.url, checkpoint);
  assert.deepEqual(found, {
    wentBack: false,
    same: true,
    conflict: "ConflictingFinality",
    refused: "Damaged",
  });
});

test("several servers, a watch, and the parts that are loaded when they are asked for", options,
  async () => {
    const found = await page.call(async (url, dead, checkpoint, after) => {
      const { LightClient } = await import("/weir/index.js");
      const client = await LightClient.start({ servers: [dead, url], checkpoint });
      const loaded = () => performance.getEntriesByType("resource")
        .map(({ name }) => name.split("/").pop()).filter((name) => name.endsWith(".wasm"));
      const { servers, head } = await client.sync();
      const events = [];
      for await (const event of client.watch({ after })) {
        events.push(event);
        if (events.length === 3) break;
      }
      const before = loaded();
      const { root } = await client.treeRoot();
      const control = new AbortController();
      const waiting = client.watch({ signal: control.signal }).next().catch(({ name }) => name);
      control.abort();
      return { servers, head, events, root, before, then: loaded(), ended: await waiting };
    }, server.url, "http://127.0.0.1:1", checkpoint, rows[0].height + 1);
    assert.deepEqual(found.servers.map(({ verdict }) => verdict), ["silent", "agrees"]);
    assert.equal(found.head.block_id, head.block_id);
    assert.equal(found.events.length, 3);
    assert.match(found.root, /^[0-9a-f]{64}$/);
    assert.deepEqual(found.before, ["verifier_bg.wasm"]);
    assert.deepEqual(found.then, ["verifier_bg.wasm", "verifier_full_bg.wasm"]);
    assert.equal(found.ended, "AbortError");
  });

/** In the page: what becomes of a question. */
async function outcome(url, checkpoint, timeoutMs) {
  const { LightClient } = await import("/weir/index.js");
  try {
    const client = await LightClient.start({ url, checkpoint, timeoutMs });
    await client.sync();
    return (await client.identities()).trust;
  } catch (error) {
    return [error.kind, error.rule];
  }
}

test("a lying server is caught, and its honest twin is not", options, async () => {
  const ask = () => page.call(outcome, proxy.url, checkpoint, 2_000);
  const lieIn = (lied, lie) => { proxy.twist = (method) => (method === lied ? lie : undefined); };
  assert.ok(["finalized", "sealed"].includes(await ask()));
  lieIn("ListIdentities", { answer: flipped(0.5) });
  assert.ok(["invalid", "missing", "not-yet"].includes((await ask())[0]));
  lieIn("GetCheckpoint", { answer: flipped(0.5) });
  assert.ok(["invalid", "missing", "not-yet"].includes((await ask())[0]));
  lieIn("ListIdentities", { answer: inMessage((message) => message.subarray(0, -9)) });
  assert.deepEqual(await ask(), ["transport", "Unavailable"]);
  lieIn("ListIdentities", { write: (response, body) => response.write(body.subarray(0, 50)) });
  assert.deepEqual(await ask(), ["transport", "Timeout"]);
  proxy.twist = undefined;
  assert.ok(["finalized", "sealed"].includes(await ask()));
});

test("the example page shows what it verified", options, async () => {
  await page.open(`${pages.url}/page/index.html`);
  const shown = await page.call(async (url, checkpoint) => {
    const form = document.getElementById("form");
    form.elements.url.value = url;
    form.elements.checkpoint.value = checkpoint;
    form.requestSubmit();
    const out = document.getElementById("out");
    while (out.textContent === "") await new Promise((next) => setTimeout(next, 20));
    return out.textContent;
  }, server.url, checkpoint);
  assert.match(shown, new RegExp(`^block ${head.block_id}, height ${head.height}, `));
  assert.match(shown, new RegExp(`epoch ${head.epoch_counter}, ${head.epoch_phase}, `));
});

test("the negative suite", options, async () => {
  const groups = ["anchors", "blocks", "checkpoints", "conflicts", "format", "hops", "proofs",
    "questions", "seals", "signers", "states", "trees"];
  for (const group of groups) {
    const cases = await page.call(async (name) => {
      const { default: initialize, checkSuite } = await import("/suite/verifier.js");
      await initialize({ module_or_path: "/suite/verifier_bg.wasm" });
      const file = await fetch(`/cases/${name}.json.gz`);
      return checkSuite(new Uint8Array(await file.arrayBuffer()));
    }, group);
    assert.ok(cases > 0, group);
  }
});
