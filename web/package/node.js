// The same in Node, where the verifier is read from the folder of this file.

import { readFile } from "node:fs/promises";

import { setDefaultSources } from "./load.js";

setDefaultSources((name) => readFile(new URL(name, import.meta.url)));

export * from "./index.js";
