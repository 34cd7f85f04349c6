// Flow's protocol state in a page, verified. Node begins at `node.js`.

export { WeirError, isWeirError } from "./errors.js";
export { Server } from "./grpc_web.js";
export { LightClient } from "./light_client.js";
export { load, loadFull } from "./load.js";
export { IndexedDbStore, MemoryStore } from "./stores.js";
