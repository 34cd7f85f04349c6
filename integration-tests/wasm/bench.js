// What a certificate costs in wasm: `node integration-tests/wasm/bench.js`, after `cargo xtask wasm`.
// An answer without hash links is proved by two certificates, of a committee of 80 of 462 nodes.

import { LightClient, Server, TrustedState } from "../../target/wasm-pkg/node.js";
import { questionCall } from "../../target/wasm-pkg/wire.js";
import { expected, startServer } from "./servers.js";

const CHAIN = "wide-462-nodes";
const ANSWERS = 40;

const server = await startServer(CHAIN);
try {
  const rows = await expected(CHAIN);
  const checkpoint = rows[0].block_id;
  const started = performance.now();
  const client = await LightClient.start({ url: server.url, checkpoint });
  console.log(`checkpoint of 462 nodes: ${(performance.now() - started).toFixed(1)} ms`);
  const state = TrustedState.fromBytes(client.exportState());
  const connection = new Server(server.url);
  const times = [];
  const epoch = rows[0].epoch_counter;
  const final = rows.filter((row) => row.finalized && row.committee_epoch_counter === epoch);
  for (const row of final.slice(1, -4).slice(0, ANSWERS)) {
    const question = { block: { height: row.height }, topic: "snapshot" };
    const evidence = await connection.evidence(questionCall(question, state.held(), "final"));
    const fresh = TrustedState.fromBytes(state.toBytes());
    const begun = performance.now();
    const answer = fresh.verify(question, evidence, Date.now());
    times.push(performance.now() - begun);
    if (answer.anchored_by.kind !== "committee") throw new Error("no certificate was checked");
    fresh.free();
  }
  times.sort((a, b) => a - b);
  const [median, worst] = [times[times.length >> 1], times.at(-1)];
  console.log(`answer with two certificates: ${median.toFixed(1)} ms, at most ${worst.toFixed(1)} ms`);
  console.log(`one certificate: at most ${(median / 2).toFixed(1)} ms`);
} finally {
  await server.stop();
}
