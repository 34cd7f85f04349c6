// Calls by gRPC-web. What a server returns is untrusted bytes; how much and how long is bounded here.

import { WeirError, transportError } from "./errors.js";
import { bytesOf, concat, fields, numberOf, textOf } from "./wire.js";

const TIMEOUT_MS = 60_000;
const EVIDENCE_BYTES_MAX = 64 << 20;
const OVERHEAD_BYTES = 16 << 10;
const NOTICE_BYTES_MAX = 1 << 10;
const HEADER_BYTES = 5;
const TRAILERS = 0x80;

/** A server of `weir.v1.SnapshotAPI`. */
export class Server {
  #url;
  #timeoutMs;
  #bytesMax;
  #fetch;

  constructor(address, options = {}) {
    // What follows `#` is the key that signs its answers: the verifier reads it.
    const [url] = String(address).split("#");
    const parsed = URL.canParse(url) ? new URL(url) : {};
    if (parsed.protocol !== "http:" && parsed.protocol !== "https:") {
      throw transportError(url, "Url", "not a server's URL; use for example http://127.0.0.1:9400");
    }
    this.#url = parsed.href.replace(/\/+$/, "");
    this.#timeoutMs = limit(options, "timeoutMs", TIMEOUT_MS);
    this.#bytesMax = limit(options, "evidenceBytesMax", EVIDENCE_BYTES_MAX) + OVERHEAD_BYTES;
    this.#fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
  }

  get url() {
    return this.#url;
  }

  /** What the server says of itself; nothing proves it. */
  async info() {
    const { message } = await this.call("/weir.v1.SnapshotAPI/GetServerInfo", new Uint8Array());
    return this.#read(() => {
      const info = fields(message);
      return {
        chain_id: textOf(info, 1),
        first_height: numberOf(info, 5),
        epoch_counter: numberOf(info, 15),
        server_version: textOf(info, 13),
      };
    });
  }

  /** The whole answer to a call: its message, and the server's receipt if it gave one. */
  async call(path, request, signal) {
    return this.#bounded(signal, async (stop) => {
      const { response, body } = await this.#open(path, request, stop);
      let message;
      for await (const frame of this.#frames(body, this.#bytesMax)) {
        if (frame.trailers !== undefined) {
          this.#check(frame.trailers, response);
          if (message === undefined) throw this.#malformed("no message");
          return { message, receipt: binary(response.headers.get("weir-receipt-bin")) };
        }
        if (message !== undefined) throw this.#malformed("an unexpected frame");
        message = frame.message;
      }
      this.#check(new Map(), response);
      throw this.#malformed("a frame is cut off");
    });
  }

  /** Opens a stream: `next` waits for its next message, `close` ends it. */
  async stream(path, request, signal) {
    const stop = new AbortController();
    const open = await this.#bounded(signal, async (late) => {
      // Once it is open, only `close` and the patience of `next` end it.
      late.addEventListener("abort", () => stop.abort(), { once: true });
      return this.#open(path, request, stop.signal);
    }, { keep: true });
    const frames = this.#frames(open.body, Infinity);
    const next = async () => {
      const { value: frame } = await frames.next();
      if (frame?.message !== undefined && frame.message.length <= NOTICE_BYTES_MAX) {
        return frame.message;
      }
      if (frame?.trailers !== undefined) this.#check(frame.trailers, open.response);
      throw transportError(this.#url, "Unavailable", "it ended the subscription");
    };
    return {
      next: (patienceMs, aborted) =>
        within(next(), patienceMs, aborted, () =>
          transportError(this.#url, "Timeout", `no notice within ${patienceMs} ms`)),
      close: () => stop.abort(),
    };
  }

  /** Runs with a signal that the timeout or the caller sets off. */
  async #bounded(signal, run, { keep = false } = {}) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), this.#timeoutMs);
    const abort = () => stop.abort();
    signal?.addEventListener("abort", abort, { once: true });
    let done = false;
    try {
      const value = await run(stop.signal);
      done = true;
      return value;
    } catch (error) {
      if (error.name === "WeirError") throw error;
      if (stop.signal.aborted && !signal?.aborted) {
        throw transportError(this.#url, "Timeout", `no whole answer in ${this.#timeoutMs} ms`);
      }
      throw transportError(this.#url, "Unavailable", "gave no answer", { cause: error });
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      // Whatever is still arriving is not wanted any more.
      if (!(keep && done)) stop.abort();
    }
  }

  async #open(path, request, signal) {
    const frame = new Uint8Array(HEADER_BYTES);
    new DataView(frame.buffer).setUint32(1, request.length);
    const response = await this.#fetch(`${this.#url}${path}`, {
      method: "POST",
      headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
      body: concat([frame, request]),
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("application/grpc-web")) {
      throw transportError(this.#url, "NotWeir", `not a weir server (HTTP ${response.status})`);
    }
    if (response.headers.has("grpc-status")) this.#check(new Map(), response);
    return { response, body: response.body?.getReader() };
  }

  /** The frames of a body: `{message}`, and in the end `{trailers}`. */
  async *#frames(body, bytesMax) {
    let [chunks, length, received] = [[], 0, 0];
    for (;;) {
      const { done, value } = (await body?.read()) ?? { done: true };
      if (done) {
        if (length > 0) throw this.#malformed("a frame is cut off");
        return;
      }
      received += value.length;
      if (received > bytesMax) {
        throw transportError(this.#url, "TooLarge", `more than ${this.#bytesMax} bytes`);
      }
      chunks.push(value);
      length += value.length;
      while (length >= HEADER_BYTES) {
        // Joined only when enough has come: a long frame is not copied again with each part of it.
        if (chunks[0].length < HEADER_BYTES) chunks = [concat(chunks)];
        const view = new DataView(chunks[0].buffer, chunks[0].byteOffset, HEADER_BYTES);
        const [flag, end] = [view.getUint8(0), HEADER_BYTES + view.getUint32(1)];
        if (length < end) {
          if (end > bytesMax) throw this.#tooLarge();
          break;
        }
        const [whole] = (chunks = [concat(chunks)]);
        const content = whole.subarray(HEADER_BYTES, end);
        chunks = end < length ? [whole.subarray(end)] : [];
        length -= end;
        if (flag === TRAILERS) {
          if (length > 0) throw this.#malformed("an unexpected frame");
          yield { trailers: headerFields(content) };
        } else if (flag === 0) {
          yield { message: content };
        } else {
          throw this.#malformed("an unexpected frame");
        }
      }
    }
  }

  #tooLarge() {
    return transportError(this.#url, "TooLarge", `more than ${this.#bytesMax} bytes`);
  }

  /** Throws the server's refusal, unless it says that all is well. */
  #check(trailers, response) {
    const field = (name) => trailers.get(name) ?? response.headers.get(name);
    const status = field("grpc-status");
    if (status === "0") return;
    if (!/^\d{1,2}$/.test(status ?? "")) throw this.#malformed("no status");
    const message = unescape(field("grpc-message") ?? "");
    const details = binary(field("grpc-status-details-bin")) ?? new Uint8Array();
    const { reason, height_needed } = available(details);
    const rule = REASONS[reason] ?? (status === UNIMPLEMENTED ? "NotWeir" : "Refused");
    const more = { status: Number(status), height_needed, refusal: { message, details } };
    throw transportError(this.#url, rule, message || `refused with status ${status}`, more);
  }

  #malformed(what) {
    return transportError(this.#url, "Malformed", `malformed answer: ${what}`);
  }

  #read(decode) {
    try {
      return decode();
    } catch (error) {
      throw this.#malformed(error.message);
    }
  }
}

const UNIMPLEMENTED = "12";
const REASONS = { 1: "UnknownBlock", 2: "HeadTooOld", 3: "HeadNotCanonical" };

/** A positive number among the options. */
function limit(options, name, otherwise) {
  const value = options[name] ?? otherwise;
  if (Number.isFinite(value) && value > 0) return value;
  throw new WeirError("usage", "Argument", `${name} is a positive number`);
}

/** The promise's value, unless it comes too late or is not wanted any more. */
async function within(promise, ms, signal, late) {
  let timer;
  let abort;
  const bound = new Promise((_, reject) => {
    timer = setTimeout(() => reject(late()), ms);
    abort = () => reject(signal.reason);
    signal?.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([promise, bound]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    promise.catch(() => {});
  }
}

function headerFields(content) {
  const lines = new TextDecoder().decode(content).split("\r\n");
  const pairs = lines.filter((line) => line.includes(":")).map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  return new Map(pairs);
}

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The bytes of a header whose name ends with `-bin`. */
function binary(text) {
  try {
    return text && Uint8Array.from(atob(text), (byte) => byte.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/** `weir.v1.Available` in the details of a `google.rpc.Status`, if it is there. */
function available(details) {
  try {
    const value = fields(bytesOf(fields(bytesOf(fields(details), 3)), 2));
    return { reason: numberOf(value, 6), height_needed: numberOf(value, 7) || undefined };
  } catch {
    return {};
  }
}
