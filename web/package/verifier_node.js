// The same in Node.

import "./node.js";

export * from "./verifier_only.js";
