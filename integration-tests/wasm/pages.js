// A web server for pages of another origin than the server they ask.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { gunzipSync } from "node:zlib";

import { root } from "./servers.js";

const TYPES = { js: "text/javascript", wasm: "application/wasm", html: "text/html" };

/** Serves the package, the suite's build and its cases, and the example, as any web server does. */
export async function servePages() {
  const folders = {
    weir: "target/wasm-pkg",
    suite: "target/wasm-conformance",
    cases: "integration-tests/conformance/cases",
    page: "examples/page",
  };
  const http = createServer(async ({ url }, response) => {
    const [folder, name] = new URL(url, "http://page").pathname.slice(1).split("/");
    try {
      const type = TYPES[name?.split(".").pop()] ?? "application/octet-stream";
      const content = folder === "blank.html" ? "" : await readFile(root(`${folders[folder]}/${name}`));
      response.setHeader("content-type", name ? type : TYPES.html);
      response.end(name?.endsWith(".gz") ? gunzipSync(content) : content);
    } catch {
      response.writeHead(404).end();
    }
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    url: `http://127.0.0.1:${http.address().port}`,
    stop: async () => {
      http.closeAllConnections();
      await new Promise((done) => http.close(done));
    },
  };
}
