// Where a trusted state is kept between visits. A store never goes back: an older state does not
// replace a newer one.

import { storeError } from "./errors.js";

const TRUSTED = "trusted";

/** Whether `entry` may replace `kept`: neither its epoch nor its head is older. */
function replaces(entry, kept) {
  if (kept === undefined) return true;
  if (entry.head_height === kept.head_height && entry.head_id !== kept.head_id) {
    const message = `conflicting finality: blocks ${entry.head_id} and ${kept.head_id} are both ` +
      `proved final at height ${kept.head_height}; one is of a forged or forked chain`;
    throw storeError("ConflictingFinality", message);
  }
  return entry.newest_epoch_counter >= kept.newest_epoch_counter &&
    entry.head_height >= kept.head_height;
}

/** Keeps states in memory. */
export class MemoryStore {
  #entries = new Map();

  async load(checkpointId) {
    return this.#entries.get(checkpointId)?.bytes;
  }

  async save(checkpointId, entry) {
    const kept = this.#entries.get(checkpointId);
    if (!replaces(entry, kept)) return false;
    this.#entries.set(checkpointId, { ...entry, bytes: entry.bytes.slice() });
    return true;
  }
}

/** Keeps states in the browser's IndexedDB, one for each checkpoint. */
export class IndexedDbStore {
  #name;
  #database;

  constructor(name = "weir") {
    this.#name = name;
  }

  async load(checkpointId) {
    const kept = await this.#in("readonly", (store, done) => {
      const found = store.get(checkpointId);
      found.onsuccess = () => done(found.result);
    });
    if (kept !== undefined && !(kept.bytes instanceof Uint8Array)) {
      throw storeError("Damaged", `${this.#name}: what is kept is no trusted state`);
    }
    return kept?.bytes;
  }

  /** Reads, compares and writes in one transaction, so that two pages do not disturb each other. */
  async save(checkpointId, entry) {
    return this.#in("readwrite", (store, done, fail) => {
      const found = store.get(checkpointId);
      found.onsuccess = () => {
        try {
          const newer = replaces(entry, found.result);
          if (newer) store.put({ ...entry, bytes: entry.bytes.slice() }, checkpointId);
          done(newer);
        } catch (error) {
          fail(error);
        }
      };
    });
  }

  /** Runs in a transaction; what `done` was told is returned when it is written. */
  async #in(mode, run) {
    const database = await this.#open();
    return new Promise((resolve, reject) => {
      let value;
      let failure;
      const transaction = database.transaction(TRUSTED, mode, { durability: "strict" });
      transaction.oncomplete = () => resolve(value);
      transaction.onabort = () => {
        reject(failure ?? storeError("Unavailable", `cannot use ${this.#name}`, transaction.error));
      };
      const fail = (error) => {
        failure = error;
        transaction.abort();
      };
      run(transaction.objectStore(TRUSTED), (told) => { value = told; }, fail);
    });
  }

  #open() {
    this.#database ??= new Promise((resolve, reject) => {
      const opening = indexedDB.open(this.#name, 1);
      const failed = () => {
        this.#database = undefined;
        reject(storeError("Unavailable", `cannot open ${this.#name}`, opening.error));
      };
      opening.onupgradeneeded = () => opening.result.createObjectStore(TRUSTED);
      opening.onerror = failed;
      opening.onblocked = failed;
      opening.onsuccess = () => resolve(opening.result);
    });
    return this.#database;
  }
}
