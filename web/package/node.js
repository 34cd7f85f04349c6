// The same in Node, where the verifier is read from the folder of this file.

import { readFile } from "node:fs/promises";

import { setDefaultSource } from "./load.js";

setDefaultSource(() => readFile(new URL("verifier_bg.wasm", import.meta.url)));

export * from "./index.js";
