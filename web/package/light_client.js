// From a checkpoint to the head, and from a question to its answer: which evidence to fetch next,
// and when to stop. The verifier decides; nothing that it did not verify is returned.

import { WeirError, isWeirError, storeError } from "./errors.js";
import { Server } from "./grpc_web.js";
import { load } from "./load.js";
import { MemoryStore } from "./stores.js";
import { TrustedState } from "./verifier.js";
import { checkpointCall, hopsCall, questionCall } from "./wire.js";

const HOPS_MAX = 4096;
const HEAD = { block: "latest_finalized", topic: "snapshot" };

/** A client of one server. */
export class LightClient {
  #server;
  #trusted;
  #store;
  #clock;
  #checkpoint;
  #hops = 0;
  #bytesReceived = 0;
  #kept;
  /** Ends when the call before has ended: one at a time moves the trusted state. */
  #turn = Promise.resolve();

  constructor(secret, fields) {
    if (secret !== SECRET) throw new TypeError("use LightClient.start");
    this.#server = fields.server;
    this.#trusted = fields.trusted;
    this.#store = fields.store;
    this.#clock = fields.clock;
    this.#checkpoint = fields.checkpoint;
    this.#bytesReceived = fields.bytesReceived;
  }

  /** Goes on from what the store has, or fetches and verifies the checkpoint. */
  static async start(options) {
    const { url, store = new MemoryStore(), clock = {}, source } = options;
    const server = new Server(url, options);
    await load(source);
    const checkpoint = String(options.checkpoint).toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(checkpoint)) {
      throw new WeirError("usage", "Argument", "a checkpoint is a block ID, 64 hexadecimal digits");
    }
    const common = { server, store, clock, checkpoint };
    const kept = await store.load(checkpoint);
    if (kept !== undefined) {
      return new LightClient(SECRET, { ...common, trusted: resume(kept, checkpoint), bytesReceived: 0 });
    }
    const bytes = await server.evidence(checkpointCall(checkpoint));
    const trusted = told(server, () => TrustedState.fromCheckpoint(checkpoint, bytes));
    const client = new LightClient(SECRET, { ...common, trusted, bytesReceived: bytes.length });
    await client.#keep();
    return client;
  }

  /** What is trusted: the chain, the checkpoint, the head and the epochs. */
  get trusted() {
    return this.#trusted.summary();
  }

  /** Epochs walked and bytes of evidence received by this client. */
  get effort() {
    return { hops: this.#hops, bytes_received: this.#bytesReceived };
  }

  /** The trusted state as bytes, for another device. */
  exportState() {
    return this.#trusted.toBytes();
  }

  /** Walks to the newest epoch and proves the newest final block. */
  sync(onProgress = () => {}) {
    return this.#inTurn(async () => {
      const { epoch_counter: target } = await this.#server.info();
      for (let page = 0; page <= HOPS_MAX; page += 1) {
        const more = await this.#page();
        const trusted = this.trusted;
        onProgress({
          epoch_counter: trusted.newest_epoch_counter,
          first_epoch_counter: trusted.oldest_epoch_counter,
          target_epoch_counter: target,
          bytes_received: this.#bytesReceived,
        });
        if (!more) {
          const answer = await this.#ask(HEAD, { proof: "final" });
          return { answer, head: this.trusted.head, ...this.effort };
        }
      }
      throw this.#tooManyHops();
    });
  }

  /** Asks one question, walking as many epochs as it takes. */
  ask(question, options = {}) {
    return this.#inTurn(() => this.#ask(question, options));
  }

  /** The current epoch at a block: counter, phase, views left. */
  epoch(block = "latest_finalized") {
    return this.ask({ block, topic: "snapshot" }, { view: "epoch" });
  }

  /** How far a block is: certified, finalized, sealed. */
  status(block = "latest_finalized") {
    return this.ask({ block, topic: "snapshot" }, { view: "status" });
  }

  /** Everything in the protocol state at a block. */
  snapshot(block = "latest_finalized") {
    return this.ask({ block, topic: "snapshot" });
  }

  /** The identity table at a block, or a part of it; nothing is left out. */
  identities(filter = {}, block = "latest_finalized") {
    return this.ask({ block, topic: { identities: filter } });
  }

  /** One node; an empty list is the proof that there is no such node. */
  identity(nodeId, block = "latest_finalized") {
    return this.ask({ block, topic: { identity: nodeId } });
  }

  /** Setup and commit of an epoch as of a block. */
  epochEvents(epoch = "current", block = "latest_finalized") {
    return this.ask({ block, topic: { epoch } });
  }

  /** The block's seal, and the block that holds it. */
  seal(block = "latest_sealed") {
    return this.ask({ block, topic: "seal" });
  }

  /** The execution result sealed for the block. */
  executionResult(block = "latest_sealed") {
    return this.ask({ block, topic: "execution_result" });
  }

  async #ask(question, { proof = "sealed", view } = {}) {
    for (let walked = 0; walked <= HOPS_MAX; walked += 1) {
      const call = argument(() => questionCall(question, this.#trusted.held(), proof));
      const evidence = await this.#evidence(call);
      try {
        const answer = told(this.#server, () =>
          this.#trusted.verify(question, evidence, this.#now(), view));
        await this.#keep();
        if (this.#trusted.leavesSeal() && await this.#learnsOfLaterEpoch()) continue;
        return answer;
      } catch (error) {
        if (error.kind !== "missing" || error.rule !== "LaterEpoch") throw error;
        if (!await this.#learnsOfLaterEpoch()) throw error;
      }
    }
    throw this.#tooManyHops();
  }

  /** Fetches and applies one page of hops; whether it had one. */
  async #learnsOfLaterEpoch() {
    const before = this.trusted.newest_epoch_counter;
    await this.#page();
    return this.trusted.newest_epoch_counter > before;
  }

  /** Fetches and applies one page of hops; whether there are more. */
  async #page() {
    const call = hopsCall(this.trusted.newest_epoch_counter, this.#trusted.held());
    const evidence = await this.#evidence(call);
    try {
      const { applied, more } = told(this.#server, () =>
        this.#trusted.applyHops(evidence, this.#now()));
      this.#hops += applied;
      return more && applied > 0;
    } finally {
      // The hops before a wrong one are proved.
      await this.#keep();
    }
  }

  async #evidence(call) {
    const evidence = await this.#server.evidence(call);
    this.#bytesReceived += evidence.length;
    return evidence;
  }

  /** Keeps what is proved, if it is more than before. */
  async #keep() {
    const { newest_epoch_counter, head } = this.trusted;
    const mark = `${newest_epoch_counter} ${head.block_id}`;
    if (mark === this.#kept) return;
    const bytes = this.#trusted.toBytes();
    const entry = { bytes, newest_epoch_counter, head_height: head.height, head_id: head.block_id };
    await this.#store.save(this.#checkpoint, entry);
    this.#kept = mark;
  }

  #now() {
    const { now_ms = Date.now(), trusting_period_ms, past_committee_age_ms, clock_skew_ms } =
      this.#clock;
    return { now_ms, trusting_period_ms, past_committee_age_ms, clock_skew_ms };
  }

  #inTurn(run) {
    const result = this.#turn.then(run);
    this.#turn = result.then(() => {}, () => {});
    return result;
  }

  #tooManyHops() {
    const { url } = this.#server;
    const message = `${url} leads through more than ${HOPS_MAX} epochs`;
    return new WeirError("invalid", "TooManyHops", message, { url });
  }
}

const SECRET = Symbol("LightClient.start");

/** A kept state is used or refused, never passed over. */
function resume(bytes, checkpoint) {
  let trusted;
  try {
    trusted = TrustedState.fromBytes(bytes);
  } catch (error) {
    throw storeError("Damaged", `what is kept cannot be used: ${error.message}`, error);
  }
  if (trusted.summary().checkpoint.block_id !== checkpoint) {
    throw storeError("AnotherCheckpoint", "what is kept is of another checkpoint");
  }
  return trusted;
}

/** Adds to the verifier's verdict whose evidence it is about. */
function told(server, verify) {
  try {
    return verify();
  } catch (error) {
    if (isWeirError(error)) error.url = server.url;
    throw error;
  }
}

function argument(make) {
  try {
    return make();
  } catch (error) {
    throw new WeirError("usage", "Argument", error.message, { cause: error });
  }
}
