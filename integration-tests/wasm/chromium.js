// A headless Chromium, told what to do over the pipe of its debugging protocol: nothing to install
// besides the browser.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Starts the browser with an empty profile. */
export async function startChromium(program) {
  const profile = await mkdtemp(join(tmpdir(), "weir-chromium-"));
  const child = spawn(program, [
    "--headless=new",
    "--no-sandbox",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--remote-debugging-pipe",
    `--user-data-dir=${profile}`,
    "about:blank",
  ], { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
  const protocol = new Protocol(child);
  return {
    page: () => openPage(protocol),
    async stop() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Commands and events as JSON, each ended by a zero byte. */
class Protocol {
  #input;
  #last = 0;
  #waiting = new Map();
  #listeners = new Set();

  constructor(child) {
    this.#input = child.stdio[3];
    let rest = "";
    child.stdio[4].setEncoding("utf8").on("data", (text) => {
      const messages = (rest + text).split("\0");
      rest = messages.pop();
      for (const message of messages) this.#receive(JSON.parse(message));
    });
    child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the browser ended"));
    });
  }

  send(method, params = {}, sessionId = undefined) {
    this.#last += 1;
    const id = this.#last;
    this.#input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  event(method, sessionId) {
    return new Promise((resolve) => {
      const listener = (message) => {
        if (message.method !== method || message.sessionId !== sessionId) return;
        this.#listeners.delete(listener);
        resolve(message.params);
      };
      this.#listeners.add(listener);
    });
  }

  #receive(message) {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) {
      for (const listener of [...this.#listeners]) listener(message);
      return;
    }
    this.#waiting.delete(message.id);
    if (message.error) waiting.reject(new Error(message.error.message));
    else waiting.resolve(message.result);
  }
}

async function openPage(protocol) {
  const { targetId } = await protocol.send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await protocol.send("Target.attachToTarget", { targetId, flatten: true });
  const send = (method, params) => protocol.send(method, params, sessionId);
  await send("Page.enable");
  return {
    /** Loads a page, to its end. */
    async open(url) {
      const loaded = protocol.event("Page.loadEventFired", sessionId);
      await send("Page.navigate", { url });
      await loaded;
    },

    /** Calls an async function in the page; arguments and result are JSON. */
    async call(run, ...values) {
      const { result, exceptionDetails } = await send("Runtime.evaluate", {
        expression: `(${run})(${values.map((value) => JSON.stringify(value)).join(", ")})`,
        awaitPromise: true,
        returnByValue: true,
      });
      if (exceptionDetails) {
        const { exception, text } = exceptionDetails;
        throw new Error(exception?.description ?? text);
      }
      return result.value;
    },

    async close() {
      await protocol.send("Target.closeTarget", { targetId });
    },
  };
}
