// Unary calls by gRPC-web. What a server returns is untrusted bytes; how much and how long is
// bounded here.

import { transportError } from "./errors.js";
import { bytesOf, concat, fields, numberOf, textOf } from "./wire.js";

const TIMEOUT_MS = 60_000;
const EVIDENCE_BYTES_MAX = 64 << 20;
const OVERHEAD_BYTES = 16 << 10;
const HEADER_BYTES = 5;
const TRAILERS = 0x80;

/** A server of `weir.v1.SnapshotAPI`. */
export class Server {
  #url;
  #timeoutMs;
  #bytesMax;
  #fetch;

  constructor(url, options = {}) {
    const { protocol, href } = new URL(url);
    if (protocol !== "http:" && protocol !== "https:") {
      throw transportError(url, "Url", "not a server's URL; use for example http://127.0.0.1:9400");
    }
    this.#url = href.replace(/\/+$/, "");
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#bytesMax = (options.evidenceBytesMax ?? EVIDENCE_BYTES_MAX) + OVERHEAD_BYTES;
    this.#fetch = options.fetch ?? ((...request) => globalThis.fetch(...request));
  }

  get url() {
    return this.#url;
  }

  /** What the server says of itself; nothing proves it. */
  async info() {
    const info = await this.#call("GetServerInfo", new Uint8Array());
    return this.#read(() => ({
      chain_id: textOf(info, 1),
      first_height: numberOf(info, 5),
      epoch_counter: numberOf(info, 15),
      server_version: textOf(info, 13),
    }));
  }

  /** The evidence that answers a call of `wire.js`. */
  async evidence({ method, request, evidence }) {
    const message = await this.#call(method, request);
    return this.#read(() => bytesOf(message, evidence));
  }

  async #call(method, request) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), this.#timeoutMs);
    try {
      const response = await this.#send(method, request, stop.signal);
      const body = await this.#body(response);
      return this.#message(response, body);
    } catch (error) {
      if (error.name === "WeirError") throw error;
      if (stop.signal.aborted) {
        throw transportError(this.#url, "Timeout", `no whole answer in ${this.#timeoutMs} ms`);
      }
      throw transportError(this.#url, "Unavailable", "gave no answer", { cause: error });
    } finally {
      clearTimeout(timer);
      // Whatever is still arriving is not wanted any more.
      stop.abort();
    }
  }

  #send(method, request, signal) {
    const frame = new Uint8Array(HEADER_BYTES);
    new DataView(frame.buffer).setUint32(1, request.length);
    return this.#fetch(`${this.#url}/weir.v1.SnapshotAPI/${method}`, {
      method: "POST",
      headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1" },
      body: concat([frame, request]),
      signal,
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      referrerPolicy: "no-referrer",
    });
  }

  /** The whole body, unless it is too long. */
  async #body(response) {
    const type = response.headers.get("content-type") ?? "";
    if (!response.ok || !type.startsWith("application/grpc-web")) {
      throw transportError(this.#url, "NotWeir", `not a weir server (HTTP ${response.status})`);
    }
    const reader = response.body?.getReader();
    const chunks = [];
    let length = 0;
    for (;;) {
      const { done, value } = (await reader?.read()) ?? { done: true };
      if (done) return concat(chunks);
      length += value.length;
      if (length > this.#bytesMax) {
        throw transportError(this.#url, "TooLarge", `more than ${this.#bytesMax} bytes`);
      }
      chunks.push(value);
    }
  }

  #message(response, body) {
    const { message, trailers } = this.#frames(body);
    const field = (name) => trailers?.get(name) ?? response.headers.get(name);
    const status = field("grpc-status");
    if (status !== "0") throw this.#refusal(status, field);
    if (message === undefined) throw this.#malformed("no message");
    return this.#read(() => fields(message));
  }

  #frames(body) {
    let [message, trailers] = [undefined, undefined];
    for (let at = 0; at < body.length; ) {
      const view = new DataView(body.buffer, body.byteOffset + at, body.length - at);
      if (view.byteLength < HEADER_BYTES || trailers !== undefined) {
        throw this.#malformed("a frame is cut off");
      }
      const [flag, length] = [view.getUint8(0), view.getUint32(1)];
      const content = body.subarray(at + HEADER_BYTES, at + HEADER_BYTES + length);
      if (content.length !== length) throw this.#malformed("a frame is cut off");
      if (flag === TRAILERS) trailers = headerFields(content);
      else if (flag === 0 && message === undefined) message = content;
      else throw this.#malformed("an unexpected frame");
      at += HEADER_BYTES + length;
    }
    return { message, trailers };
  }

  /** The server's refusal, with its reason where it is one that a client acts on. */
  #refusal(status, field) {
    if (status === null) return this.#malformed("no status");
    const message = unescape(field("grpc-message") ?? "");
    const { reason, height_needed } = available(field("grpc-status-details-bin"));
    const rule = REASONS[reason] ?? (status === UNIMPLEMENTED ? "NotWeir" : "Refused");
    const fields = { status: Number(status), height_needed };
    return transportError(this.#url, rule, message || `refused with status ${status}`, fields);
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

/** `weir.v1.Available` in the details of a `google.rpc.Status`, if it is there. */
function available(details) {
  try {
    const binary = atob(details ?? "");
    const status = fields(Uint8Array.from(binary, (byte) => byte.charCodeAt(0)));
    const value = fields(bytesOf(fields(bytesOf(status, 3)), 2));
    return { reason: numberOf(value, 6), height_needed: numberOf(value, 7) || undefined };
  } catch {
    return {};
  }
}
