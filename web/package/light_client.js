// A light client for pages and Node. What to ask next, of whom, and what is true is the walk's and the
// verifier's; here are the transport, the clock and the store.

import { Driver } from "./driver.js";
import { WeirError, storeError } from "./errors.js";
import { load, loadFull } from "./load.js";
import { callbackOf, read, signalOf, wordOf } from "./options.js";

/** A client of one server, or of several. */
export class LightClient {
  #options;
  #module;
  #client;
  #driver;
  #kept;
  /** What was last known of the servers: by this client, and by those that watch or read trees. */
  #known = { lies: [], remarks: [], hops: 0, bytes_received: 0, upgrade_ahead: null };
  #knownBeside = { lies: [], remarks: [] };
  /** Ends when the call before has ended: one at a time moves the trusted state. */
  #turn = Promise.resolve();

  constructor(secret, options, module, client) {
    if (secret !== SECRET) throw new TypeError("use LightClient.start");
    this.#options = options;
    this.#module = module;
    this.#client = client;
    this.#driver = new Driver(client, options.connections, options.nowMs);
  }

  /** Goes on from a state or what the store has, or fetches and verifies the checkpoint. */
  static async start(given) {
    const options = read(given);
    const { store, checkpoint, signal, state, keepEvidence } = options;
    signal?.throwIfAborted();
    const module = await (options.needsFull ? loadFull(given.fullSource) : load(given.source));
    const kept = state ?? (keepEvidence ? undefined : await store.load(checkpoint));
    const client = begin(module, options, kept, state === undefined);
    const light = new LightClient(SECRET, options, module, client);
    if (kept === undefined) await light.#driver.run({ signal });
    await light.#keep(client);
    light.#learn();
    return light;
  }

  /** What is trusted: the chain, the checkpoint, the head and the epochs. */
  get trusted() {
    return this.#client.trusted();
  }

  /** Epochs walked and bytes of evidence received by this client. */
  get effort() {
    const { hops, bytes_received } = this.#known;
    return { hops, bytes_received };
  }

  /**
   * The upgrade to a protocol version that this package does not know, as soon as a proved state schedules
   * it: `{version, activation_view, about_ms, known_up_to}`, or null. From its view on a newer package is
   * needed.
   */
  get upgradeAhead() {
    return this.#known.upgrade_ahead;
  }

  /** What is known of the servers: which lied, with what shows it to others, and which are behind. */
  get report() {
    const { lies, remarks } = this.#knownBeside;
    return { lies: [...this.#known.lies, ...lies], remarks: [...this.#known.remarks, ...remarks] };
  }

  /** The trusted state as bytes, for another device. */
  exportState() {
    return this.#client.toBytes();
  }

  /** Walks to the newest epoch, proves the newest final block, and asks the other servers about it. */
  async sync(onProgress = () => {}, { signal } = {}) {
    callbackOf(onProgress);
    const { value, evidence } = await this.#task((client) => client.sync(), signal, onProgress);
    return { ...value, evidence, head: this.trusted.head, ...this.effort };
  }

  /** Asks one question, walking as many epochs as it takes. */
  async ask(question, { proof, view, signal } = {}) {
    const [depth, part] = [wordOf("proof", proof), wordOf("view", view)];
    return (await this.#task((client) => client.ask(question, depth, part), signal)).value;
  }

  /** As `ask`, of a client that keeps evidence: `{answer, evidence}`, which `weir verify` reads. */
  async prove(question, { proof, view, signal } = {}) {
    const [depth, part] = [wordOf("proof", proof), wordOf("view", view)];
    const told = await this.#task((client) => client.ask(question, depth, part), signal);
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
  treeRoot(block = "latest_finalized", { signal } = {}) {
    return this.#treeTask((client) => client.treeRoot(block), signal);
  }

  /** What a block's snapshot tree has of these items, under the root that this client proves. */
  askTree(items, block = "latest_finalized", { signal } = {}) {
    return this.#treeTask((client) => client.askTree(block, items), signal);
  }

  /** Events as they happen, each proved, and none left out. It has a walk of its own. */
  async *watch({ signal, ...watched } = {}) {
    signalOf(signal);
    yield* this.#beside(this.#module, async function* (client, driver) {
      for (;;) {
        signal?.throwIfAborted();
        client.nextEvent(watched);
        yield (await driver.run({ signal })).value;
      }
    });
  }

  /** Trees are a part that few pages need. */
  async #treeTask(task, signal) {
    if (this.#options.needsFull) return (await this.#task(task, signal)).value;
    signalOf(signal)?.throwIfAborted();
    const module = await loadFull(this.#options.fullSource);
    const told = this.#beside(module, async function* (client, driver) {
      task(client);
      yield (await driver.run({ signal })).value;
    });
    for await (const value of told) return value;
  }

  /** Runs with another client that trusts the same; what it proves is kept as well. */
  async *#beside(module, run) {
    const client = begin(module, { ...this.#options, keepEvidence: false }, this.exportState());
    const driver = new Driver(client, this.#options.connections, this.#options.nowMs);
    const before = this.#knownBeside;
    const learn = () => {
      const { lies, remarks } = client.report() ?? { lies: [], remarks: [] };
      this.#knownBeside = {
        lies: [...before.lies, ...lies],
        remarks: [...before.remarks, ...remarks],
      };
    };
    try {
      for await (const value of run(client, driver)) {
        learn();
        await this.#keep(client);
        yield value;
      }
    } finally {
      learn();
      driver.close();
      client.free();
    }
  }

  #task(task, signal, onProgress = () => {}) {
    const run = async () => {
      signalOf(signal)?.throwIfAborted();
      task(this.#client);
      try {
        return await this.#driver.run({
          signal,
          onProgress: async ({ kind: _, ...progress }) => {
            await this.#keep(this.#client);
            onProgress(progress);
          },
        });
      } finally {
        this.#learn();
        // What was proved before the end of it failed stays proved.
        await this.#keep(this.#client);
      }
    };
    const result = this.#turn.then(run);
    this.#turn = result.then(() => {}, () => {});
    return result;
  }

  #learn() {
    this.#known = this.#client.report() ?? this.#known;
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

/** A client; a kept state is used or refused, never passed over. */
function begin(module, options, kept, fromStore = false) {
  const { servers, checkpoint, clock, keepEvidence } = options;
  try {
    const given = { servers, checkpoint, clock, keep_evidence: keepEvidence };
    return new module.Client(given, kept);
  } catch (error) {
    if (!fromStore || kept === undefined) throw error;
    if (error.rule === "AnotherCheckpoint") throw storeError(error.rule, error.message, error);
    if (error.kind === "usage") throw error;
    throw storeError("Damaged", `what is kept cannot be used: ${error.message}`, error);
  }
}
