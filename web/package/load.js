// Loads the verifier, once.

import initialize from "./verifier.js";

let defaultSource = () => new URL("verifier_bg.wasm", import.meta.url);
let loaded;

/** Where the verifier is, unless `load` is told. */
export function setDefaultSource(source) {
  defaultSource = source;
}

/**
 * Loads the verifier: from `source`, a URL, bytes or a compiled module, by default from beside this
 * file. `LightClient.start` does it by itself; later calls change nothing.
 */
export function load(source) {
  loaded ??= begin(source);
  return loaded;
}

async function begin(source) {
  try {
    await initialize({ module_or_path: await (source ?? defaultSource()) });
  } catch (error) {
    // So that a page that was offline can try again.
    loaded = undefined;
    throw error;
  }
}
