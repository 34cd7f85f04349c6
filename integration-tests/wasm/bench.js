// What a certificate costs in wasm: `node integration-tests/wasm/bench.js`, after `cargo xtask wasm`;
// in Node, and in the browser that WEIR_CHROMIUM names.
// An answer without hash links is proved by two certificates, of a committee of 80 of 462 nodes.

import { pathToFileURL } from "node:url";

import { startChromium } from "./chromium.js";
import { servePages } from "./pages.js";
import { expected, root, startServer } from "./servers.js";

const CHAIN = "wide-462-nodes";
const ANSWERS = 40;

/** Milliseconds for the checkpoint, and for each answer; stands alone, as a page is handed it. */
async function measure(index, url, checkpoint, heights) {
  const { LightClient } = await import(index);
  const started = performance.now();
  const client = await LightClient.start({ url, checkpoint });
  const checkpointMs = performance.now() - started;
  const state = client.exportState();
  const answers = [];
  for (const height of heights) {
    // Each from the checkpoint, so that no answer before it spares a certificate.
    const fresh = await LightClient.start({ url, checkpoint, state });
    const begun = performance.now();
    const answer = await fresh.snapshot({ height }, { proof: "final" });
    answers.push(performance.now() - begun);
    if (answer.anchored_by.kind !== "committee") throw new Error("no certificate was checked");
  }
  return { checkpointMs, answers };
}

function report(where, { checkpointMs, answers }) {
  answers.sort((a, b) => a - b);
  const [median, worst] = [answers[answers.length >> 1], answers.at(-1)];
  console.log(`${where}: checkpoint of 462 nodes: ${checkpointMs.toFixed(1)} ms`);
  console.log(`${where}: answer with two certificates: ${median.toFixed(1)} ms, at most ${worst.toFixed(1)} ms`);
  console.log(`${where}: one certificate: at most ${(median / 2).toFixed(1)} ms`);
}

async function inChromium(program, ...asked) {
  const [pages, browser] = [await servePages(), await startChromium(program)];
  try {
    const page = await browser.page();
    await page.open(`${pages.url}/blank.html`);
    return await page.call(measure, "/weir/index.js", ...asked);
  } finally {
    await browser.stop();
    await pages.stop();
  }
}

const server = await startServer(CHAIN);
try {
  const rows = await expected(CHAIN);
  const epoch = rows[0].epoch_counter;
  const final = rows.filter((row) => row.finalized && row.committee_epoch_counter === epoch);
  const heights = final.slice(1, -4).slice(0, ANSWERS).map((row) => row.height);
  const asked = [server.url, rows[0].block_id, heights];
  const file = (name) => pathToFileURL(root(`target/wasm-pkg/${name}`)).href;
  report("Node", await measure(file("node.js"), ...asked));
  const program = process.env.WEIR_CHROMIUM;
  if (program) report("Chromium", await inChromium(program, ...asked));
} finally {
  await server.stop();
}
