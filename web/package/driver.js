// Does what the walk says: sends, waits, and tells what came back.

import { isWeirError } from "./errors.js";

/** Drives a client of the verifier's. */
export class Driver {
  #client;
  #servers;
  #nowMs;
  #stream;
  /** Why servers gave no answer, by their place: the client keeps only words. */
  #failed = new Map();

  constructor(client, servers, nowMs) {
    this.#client = client;
    this.#servers = servers;
    this.#nowMs = nowMs;
  }

  /** Goes on until the task is done, and returns what it told. */
  async run({ signal, onProgress = () => {} } = {}) {
    this.#failed.clear();
    let stopped;
    for (;;) {
      if (signal?.aborted || stopped !== undefined) this.#client.cancel();
      const step = this.#client.step(performance.now(), this.#nowMs());
      if (step.kind === "done") break;
      if (step.kind === "progress") {
        try {
          await onProgress(step);
        } catch (error) {
          // The walk is led to its end, so that the client can go on.
          stopped = { error };
        }
      } else {
        await this.#answer(step, signal);
      }
    }
    return this.#told(signal, stopped);
  }

  close() {
    this.#stream?.close();
    this.#stream = undefined;
  }

  #told(signal, stopped) {
    try {
      const told = this.#client.take();
      if (stopped === undefined) return told;
    } catch (error) {
      if (stopped === undefined) {
        signal?.throwIfAborted();
        throw this.#whole(error);
      }
    }
    throw stopped.error;
  }

  async #answer(step, signal) {
    const server = this.#servers[step.server];
    try {
      const { message, receipt } = await this.#call(step, server, signal);
      this.#client.hear(step.server, message, receipt);
    } catch (error) {
      this.#failed.set(step.server, error);
      const { status, refusal, message } = error;
      if (refusal === undefined) this.#client.hearNothing(step.server, String(message));
      else this.#client.hearRefusal(step.server, status, refusal.message, refusal.details);
    }
  }

  async #call({ kind, path, message, patience_ms }, server, signal) {
    if (kind === "call") return server.call(path, message, signal);
    if (kind === "subscribe") {
      this.close();
      this.#stream = await server.stream(path, message, signal);
      return { message: new Uint8Array() };
    }
    return { message: await this.#stream.next(patience_ms, signal) };
  }

  /** The error, with what is known here of its cause. */
  #whole(error) {
    if (!isWeirError(error) || error.kind !== "transport") return error;
    const failed = [...this.#failed.values()].filter(isWeirError);
    if (error.url === undefined) return Object.assign(error, { errors: failed });
    const same = failed.find(({ url }) => url === error.url);
    return same !== undefined && OF_TRANSPORT.has(error.rule) ? same : error;
  }
}

/** Rules under which the verifier tells what it heard from here. */
const OF_TRANSPORT = new Set([
  "Unavailable", "NotWeir", "UnknownBlock", "HeadTooOld", "HeadNotCanonical", "Refused",
]);
