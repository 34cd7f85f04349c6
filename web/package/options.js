// What a client is started with, each what it should be.

import { WeirError } from "./errors.js";
import { Server } from "./grpc_web.js";
import { MemoryStore } from "./stores.js";

/** Reads them; the servers are made, for their addresses say whether they make sense. */
export function read(given) {
  wants(given !== null && typeof given === "object", "options are an object");
  for (const name of Object.keys(given)) {
    wants(NAMES.has(name), `there is no option \`${name}\``);
  }
  const { store = new MemoryStore(), clock = {}, keepEvidence = false, state, signal } = given;
  const servers = [given.servers ?? given.url ?? []].flat();
  wants(given.servers === undefined || given.url === undefined, "`url` or `servers`, not both");
  wants(servers.length > 0, "a client needs a server: `url`, or a list of them in `servers`");
  wants(servers.every((server) => typeof server === "string"), "a server is a URL as text");
  const checkpoint = String(given.checkpoint).toLowerCase();
  wants(/^[0-9a-f]{64}$/.test(checkpoint), "a checkpoint is a block ID, 64 hexadecimal digits");
  wants(typeof store?.load === "function" && typeof store.save === "function",
    "a store has `load` and `save`");
  wants(clock !== null && typeof clock === "object", "a clock is an object");
  wants(typeof keepEvidence === "boolean", "`keepEvidence` is true or false");
  wants(state === undefined || state instanceof Uint8Array, "a state is bytes");
  wants(state === undefined || !keepEvidence, "evidence begins at the checkpoint, not at a state");
  const connections = servers.map((address) => new Server(address, given));
  const named = servers.map((address, index) => {
    const [, key] = address.split("#");
    const { url } = connections[index];
    return key === undefined ? url : `${url}#${key}`;
  });
  return {
    servers: named,
    connections,
    checkpoint,
    clock,
    keepEvidence,
    state,
    store,
    signal: signalOf(signal),
    nowMs: () => Number(clock.now_ms ?? Date.now()),
    // Receipts and evidence are parts that few pages need.
    fullSource: given.fullSource,
    needsFull: keepEvidence || named.some((server) => server.includes("#")),
  };
}

/** An `AbortSignal`, if there is one. */
export function signalOf(signal) {
  wants(signal === undefined || signal instanceof AbortSignal, "a signal is an AbortSignal");
  return signal;
}

/** A function, if there is one. */
export function callbackOf(callback) {
  wants(typeof callback === "function", "progress is told to a function");
  return callback;
}

/** A word, if there is one. */
export function wordOf(name, word) {
  wants(word === undefined || typeof word === "string", `\`${name}\` is a word`);
  return word;
}

function wants(holds, message) {
  if (!holds) throw new WeirError("usage", "Argument", message);
}

const NAMES = new Set([
  "url", "servers", "checkpoint", "store", "state", "clock", "keepEvidence", "signal", "source",
  "fullSource", "timeoutMs", "evidenceBytesMax", "fetch",
]);
