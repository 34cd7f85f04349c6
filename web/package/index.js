// Flow's protocol state, verified, for pages. Node begins at `node.js`.

export { WeirError, isWeirError } from "./errors.js";
export { Server } from "./grpc_web.js";
export { LightClient } from "./light_client.js";
export { load } from "./load.js";
export { IndexedDbStore, MemoryStore } from "./stores.js";
export { TrustedState, verifyFile } from "./verifier.js";
