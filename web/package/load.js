// Loads the verifier, once. Most pages need the first module; the second has receipts, evidence to keep
// and snapshot trees as well, and is loaded when something asks for them.

import initialize, * as core from "./verifier.js";

const modules = {
  core: {
    source: () => new URL("verifier_bg.wasm", import.meta.url),
    bind: async () => ({ ...core, default: initialize }),
  },
  full: {
    source: () => new URL("verifier_full_bg.wasm", import.meta.url),
    bind: () => import("./verifier_full.js"),
  },
};

/** Where the modules are, unless `load` is told: both files by name. */
export function setDefaultSources(read) {
  modules.core.source = () => read("verifier_bg.wasm");
  modules.full.source = () => read("verifier_full_bg.wasm");
}

/**
 * Loads the verifier: from `source`, a URL, bytes or a compiled module, by default from beside this
 * file. `LightClient.start` does it by itself; later calls change nothing.
 */
export function load(source) {
  return begin(modules.core, source);
}

/** As `load`, with all parts: `verifier_full_bg.wasm`. */
export function loadFull(source) {
  return begin(modules.full, source);
}

function begin(module, source) {
  module.loaded ??= bind(module, source);
  return module.loaded;
}

async function bind(module, source) {
  try {
    const bound = await module.bind();
    await bound.default({ module_or_path: await (source ?? module.source()) });
    return bound;
  } catch (error) {
    // So that a page that was offline can try again.
    module.loaded = undefined;
    throw error;
  }
}
