// Tests that end, as `#[bounded::test]` makes those in Rust: one that waits for what never comes
// fails with its name. One that blocks the thread ends with all others (`cargo xtask wasm-test`).

import { test as unbounded } from "node:test";

/** As `node:test`'s, with a bound. */
export function test(name, ...optionsAndBody) {
  const body = optionsAndBody.pop();
  return unbounded(name, { timeout: BOUND_MS, ...optionsAndBody[0] }, body);
}

/** Longest time for a test: the bound of those in Rust, and its reason. */
const BOUND_MS = 1000 * Number(process.env.WEIR_TEST_BOUND_SECONDS ?? 600);
