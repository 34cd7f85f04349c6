// The negative suite in wasm: every case by a build that has the suite's runner in it, and those
// that the package can ask by the package itself.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { before } from "node:test";
import { gunzipSync } from "node:zlib";

import { TrustedState, load, verifyFile } from "../../target/wasm-pkg/verifier_node.js";
import initialize, { checkSuite } from "../../target/wasm-conformance/verifier.js";
import { test } from "./bounded.js";
import { root } from "./servers.js";

const CASES = "integration-tests/conformance/cases";
const names = (await readdir(root(CASES))).filter((name) => name.endsWith(".json.gz"));
/** JSON in which numbers that a `number` cannot hold become `bigint`s. */
const parse = (bytes) => JSON.parse(
  bytes.toString().replace(/(?<=[:[]\s*)\d{16,}(?=\s*[,}\]])/g, '"bigint $&"'),
  (_, value) => (/^bigint \d+$/.test(value) ? BigInt(value.slice(7)) : value),
);
const read = async (name) => gunzipSync(await readFile(root(`${CASES}/${name}`)));

before(async () => {
  await load();
  const compiled = await readFile(root("target/wasm-conformance/verifier_bg.wasm"));
  await initialize({ module_or_path: compiled });
});

for (const name of names) {
  test(`${name}: every verdict is the one due`, async () => {
    const group = await read(name);
    assert.equal(checkSuite(group), parse(group).cases.length);
  });

  test(`${name}: the package's verdicts`, async (t) => {
    const group = parse(await read(name));
    const blob = (key) => Uint8Array.from(Buffer.from(group.blobs[key], "hex"));
    let ran = 0;
    for (const entry of group.cases) {
      const run = TASKS[entry.task.kind];
      if (run === undefined) continue;
      ran += 1;
      const { verdict, detail: _, digest: __, ...due } = entry.expected;
      assert.deepEqual(verdictOf(() => run(entry, blob)), { verdict, ...due }, entry.name);
    }
    t.diagnostic(`${ran} of ${group.cases.length} cases are ones that the package asks`);
  });
}

test("the suite is not empty", () => assert.ok(names.length >= 12));

/** What the package can be asked. */
const TASKS = {
  checkpoint: ({ task }, blob) =>
    ofState(TrustedState.fromCheckpoint(task.block_id, blob(task.evidence))),
  hops: ({ task, ...clock }, blob) => {
    const state = TrustedState.fromBytes(blob(task.trusted_state));
    state.applyHops(blob(task.evidence), now(clock));
    return ofState(state);
  },
  answer: ({ task, ...clock }, blob) => {
    const state = TrustedState.fromBytes(blob(task.trusted_state));
    const before = state.toBytes();
    try {
      return ofAnswer(state.verify(task.question, blob(task.evidence), now(clock)));
    } catch (error) {
      assert.deepEqual(state.toBytes(), before, "a rejected answer changes nothing");
      throw error;
    }
  },
  file: ({ task, ...clock }, blob) =>
    ofAnswer(verifyFile(task.checkpoint_id, blob(task.evidence), now(clock))),
  trusted_state: ({ task }, blob) => ofState(TrustedState.fromBytes(blob(task.trusted_state))),
};

const now = ({ now_ms, trusting_period_ms }) => ({ now_ms, trusting_period_ms });

function ofState(state) {
  const { head, newest_epoch_counter: epoch_counter } = state.summary();
  return { block_id: head.block_id, height: head.height, epoch_counter };
}

function ofAnswer({ block_id, height, trust }) {
  return { block_id, height, trust };
}

function verdictOf(run) {
  try {
    return { verdict: "verified", ...run() };
  } catch (error) {
    if (error.name !== "WeirError") throw error;
    return { verdict: error.kind.replace("-", "_"), rule: error.rule };
  }
}
