// A light client for pages and Node. What to ask next, of whom, and what is true is the walk's and the
// verifier's; here are the transport, the clock and the store.

import { Driver } from "./driver.js";
import { WeirError, storeError } from "./errors.js";
import { Server } from "./grpc_web.js";
import { load } from "./load.js";
import { MemoryStore } from "./stores.js";
import { Client } from "./verifier.js";

/** A client of one server, or of several. */
export class LightClient {
  #options;
  #client;
  #driver;
  #kept;
  /** Ends when the call before has ended: one at a time moves the trusted state. */
  #turn = Promise.resolve();

  constructor(secret, options, client) {
    if (secret !== SECRET) throw new TypeError("use LightClient.start");
    this.#options = options;
    this.#client = client;
    this.#driver = new Driver(client, options.connections, options.nowMs);
  }

  /** Goes on from what the store has, or fetches and verifies the checkpoint. */
  static async start(given) {
    const options = read(given);
    await load(given.source);
    const { store, checkpoint, keepEvidence, signal } = options;
    const kept = keepEvidence ? undefined : await store.load(checkpoint);
    const client = kept === undefined ? new Client(options) : resume(options, kept);
    const light = new LightClient(SECRET, options, client);
    if (kept === undefined) await light.#driver.run({ signal });
    await light.#keep(client);
    return light;
  }

  /** What is trusted: the chain, the checkpoint, the head and the epochs. */
  get trusted() {
    return this.#client.trusted();
  }

  /** Epochs walked and bytes of evidence received by this client. */
  get effort() {
    const { hops = 0, bytes_received = 0 } = this.#client.report() ?? {};
    return { hops, bytes_received };
  }

  /** What is known of the servers: which lied, with what shows it to others, and which are behind. */
  get report() {
    const { lies = [], remarks = [] } = this.#client.report() ?? {};
    return { lies, remarks };
  }

  /** The trusted state as bytes, for another device. */
  exportState() {
    return this.#client.toBytes();
  }

  /** Walks to the newest epoch, proves the newest final block, and asks the other servers about it. */
  async sync(onProgress = () => {}, { signal } = {}) {
    const { value, evidence } = await this.#task((client) => client.sync(), signal, onProgress);
    return { ...value, evidence, head: this.trusted.head, ...this.effort };
  }

  /** Asks one question, walking as many epochs as it takes. */
  async ask(question, { proof, view, signal } = {}) {
    const { value } = await this.#task((client) => client.ask(question, proof, view), signal);
    return value;
  }

  /** As `ask`, of a client that keeps evidence: `{answer, evidence}`, which `weir verify` reads. */
  async prove(question, { proof, view, signal } = {}) {
    const told = await this.#task((client) => client.ask(question, proof, view), signal);
    if (told.evidence !== undefined) return { answer: told.value, evidence: told.evidence };
    throw new WeirError("usage", "Argument", "start the client with `keepEvidence: true`");
  }

  /** The current epoch at a block: counter, phase, views left. */
  epoch(block = "latest_finalized", options) {
    return this.ask({ block, topic: "snapshot" }, { ...options, view: "epoch" });
  }

  /** How far a block is: certified, finalized, sealed. */
  status(block = "latest_finalized", options) {
    return this.ask({ block, topic: "snapshot" }, { ...options, view: "status" });
  }

  /** Everything in the protocol state at a block. */
  snapshot(block = "latest_finalized", options) {
    return this.ask({ block, topic: "snapshot" }, options);
  }

  /** The identity table at a block, or a part of it; nothing is left out. */
  identities(filter = {}, block = "latest_finalized", options) {
    return this.ask({ block, topic: { identities: filter } }, options);
  }

  /** One node; an empty list is the proof that there is no such node. */
  identity(nodeId, block = "latest_finalized", options) {
    return this.ask({ block, topic: { identity: nodeId } }, options);
  }

  /** Setup and commit of an epoch as of a block. */
  epochEvents(epoch = "current", block = "latest_finalized", options) {
    return this.ask({ block, topic: { epoch } }, options);
  }

  /** The block's seal, and the block that holds it. */
  seal(block = "latest_sealed", options) {
    return this.ask({ block, topic: "seal" }, options);
  }

  /** The execution result sealed for the block. */
  executionResult(block = "latest_sealed", options) {
    return this.ask({ block, topic: "execution_result" }, options);
  }

  /** The root of a block's snapshot tree, for devices that take no more than small proofs. */
  async treeRoot(block = "latest_finalized", { signal } = {}) {
    return (await this.#task((client) => client.treeRoot(block), signal)).value;
  }

  /** What a block's snapshot tree has of these items, under the root that this client proves. */
  async askTree(items, block = "latest_finalized", { signal } = {}) {
    return (await this.#task((client) => client.askTree(block, items), signal)).value;
  }

  /** Events as they happen, each proved, and none left out. It has a walk of its own. */
  async *watch({ signal, ...watched } = {}) {
    const client = new Client({ ...this.#options, keepEvidence: false }, this.exportState());
    const driver = new Driver(client, this.#options.connections, this.#options.nowMs);
    try {
      for (;;) {
        client.nextEvent(watched);
        const { value } = await driver.run({ signal });
        await this.#keep(client);
        yield value;
      }
    } finally {
      driver.close();
      client.free();
    }
  }

  #task(begin, signal, onProgress = () => {}) {
    const run = async () => {
      signal?.throwIfAborted();
      begin(this.#client);
      try {
        return await this.#driver.run({
          signal,
          onProgress: async ({ kind: _, ...progress }) => {
            await this.#keep(this.#client);
            onProgress(progress);
          },
        });
      } finally {
        // What was proved before the end of it failed stays proved.
        await this.#keep(this.#client);
      }
    };
    const result = this.#turn.then(run);
    this.#turn = result.then(() => {}, () => {});
    return result;
  }

  /** Keeps what is proved, if it is more than before. */
  async #keep(client) {
    const { newest_epoch_counter, head } = client.trusted();
    const mark = `${newest_epoch_counter} ${head.block_id}`;
    if (mark === this.#kept) return;
    const entry = {
      bytes: client.toBytes(),
      newest_epoch_counter,
      head_height: head.height,
      head_id: head.block_id,
    };
    await this.#options.store.save(this.#options.checkpoint, entry);
    this.#kept = mark;
  }
}

const SECRET = Symbol("LightClient.start");

/** The options, each what it should be. */
function read(given) {
  const { store = new MemoryStore(), clock = {}, keepEvidence = false, signal } = given;
  const servers = [given.servers ?? given.url].flat();
  const checkpoint = String(given.checkpoint).toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(checkpoint)) {
    throw new WeirError("usage", "Argument", "a checkpoint is a block ID, 64 hexadecimal digits");
  }
  const connections = servers.map((address) => new Server(address, given));
  // The names under which the client knows them are those that errors have.
  const named = servers.map((address, index) => {
    const key = String(address).split("#")[1];
    const { url } = connections[index];
    return key === undefined ? url : `${url}#${key}`;
  });
  const nowMs = () => Number(clock.now_ms ?? Date.now());
  return { servers: named, connections, checkpoint, clock, keepEvidence, store, signal, nowMs };
}

/** A kept state is used or refused, never passed over. */
function resume(options, kept) {
  try {
    return new Client(options, kept);
  } catch (error) {
    if (error.rule === "AnotherCheckpoint") throw storeError(error.rule, error.message, error);
    if (error.kind === "usage") throw error;
    throw storeError("Damaged", `what is kept cannot be used: ${error.message}`, error);
  }
}
