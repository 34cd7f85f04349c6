// The verifier without a walk, for whoever has a transport and a walk of their own. Node begins at
// `verifier_node.js`.

export { WeirError, isWeirError } from "./errors.js";
export { loadFull as load } from "./load.js";
export { TrustedState, verifyFile } from "./verifier_full.js";
