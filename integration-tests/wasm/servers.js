// A real server, and one that lies: it asks the real one and twists its answers.

import { spawn, execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gunzipSync } from "node:zlib";

export const root = (path) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** Starts `weir-server serve` on a reference chain, indexed to its end; one that signs has its `key`. */
export async function startServer(chain, { signs = false } = {}) {
  const data = await mkdtemp(join(tmpdir(), "weir-wasm-"));
  const source = `replay:${root(`integration-tests/vectors/${chain}`)}`;
  const options = ["serve", "--listen", "127.0.0.1:0", "--source", source, "--data", data];
  let key;
  if (signs) {
    const file = `${data}.key`;
    key = await program("weir-server", "receipt-key", file);
    options.push("--receipt-key", file);
  }
  const child = spawn(root("target/debug/weir-server"), options, {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const line = async (stream, pattern) => {
    for await (const text of createInterface({ input: stream })) {
      const found = pattern.exec(text);
      if (found) {
        stream.resume();
        return found;
      }
    }
    throw new Error(`the server ended before it said ${pattern}`);
  };
  const [[, url]] = await Promise.all([
    line(child.stdout, /serving (http:\/\/[^,\s]+)/),
    line(child.stderr, /the source is indexed to its end/),
  ]);
  return {
    url,
    key,
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      await rm(data, { recursive: true, force: true });
      await rm(`${data}.key`, { force: true });
    },
  };
}

/**
 * Stands before a server. `twist` is called with `{method, request, answer}` and returns other
 * bytes for either, or writes to `response` itself; without it the proxy is honest.
 */
export async function startProxy(url) {
  const proxy = { twist: undefined };
  const server = createServer(async (incoming, response) => {
    try {
      const body = await whole(incoming);
      const method = incoming.url.split("/").pop();
      const twist = incoming.method === "POST" ? proxy.twist?.(method) : undefined;
      const answer = await forward(url, incoming, twist?.request?.(body) ?? body);
      // The length may be another after the twist.
      const { "content-length": _, "transfer-encoding": __, ...headers } = answer.headers;
      response.writeHead(answer.status, { ...headers, ...twist?.headers });
      if (twist?.write) twist.write(response, answer.body);
      else response.end(twist?.answer?.(answer.body) ?? answer.body);
    } catch {
      response.destroy();
    }
  });
  // A connection that is closed while it is idle loses the request that comes just then.
  server.keepAliveTimeout = 0;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.stop = async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return proxy;
}

async function whole(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function forward(url, { method, url: path, headers }, body) {
  const { host: _, connection: __, "content-length": ___, ...rest } = headers;
  const sent = request(new URL(path, url), {
    method,
    headers: { ...rest, "content-length": body.length },
  });
  sent.end(body);
  const [answer] = await once(sent, "response");
  return { status: answer.statusCode, headers: answer.headers, body: await whole(answer) };
}

/** Changes the message in a gRPC-web body, and leaves its trailers. */
export function inMessage(change) {
  return (body) => {
    const length = body.readUInt32BE(1);
    const message = change(Buffer.from(body.subarray(5, 5 + length)));
    const header = Buffer.alloc(5);
    header.writeUInt32BE(message.length, 1);
    return Buffer.concat([header, message, body.subarray(5 + length)]);
  };
}

/** Flips a bit of the byte that is so far into the message, as a part of its length. */
export function flipped(part) {
  return inMessage((message) => {
    // The tag and the length of the evidence come first; they are not what is tested.
    message[6 + Math.floor(part * (message.length - 6))] ^= 1;
    return message;
  });
}

/** Rows of what flow-go computed. */
export async function expected(chain) {
  const packed = await readFile(root(`integration-tests/vectors/${chain}/expected.jsonl.gz`));
  return gunzipSync(packed).toString().trimEnd().split("\n").map((row) => JSON.parse(row));
}

/** What the command line prints, which is built of the same verifier. */
export async function commandLine(url, checkpoint, ...options) {
  return weir(checkpoint, ...options, "--server", url, "--no-state");
}

/** What a command without a server prints. */
export async function weir(checkpoint, ...options) {
  return JSON.parse(await program("weir", ...options, "--checkpoint", checkpoint, "--json"));
}

/** Runs one of the project's programs, and returns what it prints. */
export async function program(name, ...options) {
  const { stdout } = await promisify(execFile)(root(`target/debug/${name}`), options);
  return stdout.trim();
}

/** A file for a test, which is removed after it. */
export async function fileOf(bytes, use) {
  const folder = await mkdtemp(join(tmpdir(), "weir-wasm-"));
  try {
    const file = join(folder, "evidence");
    await writeFile(file, bytes);
    return await use(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
