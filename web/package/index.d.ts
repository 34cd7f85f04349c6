// Types of Weir's light client. IDs and keys are hexadecimal digits; times are Unix milliseconds.

/** A block ID, node ID or other hash: 64 hexadecimal digits. */
export type Id = string;

/** A whole number of up to 64 bits; a `bigint` only above `Number.MAX_SAFE_INTEGER`. */
export type Whole = number | bigint;

export type Block = "latest_finalized" | "latest_sealed" | { id: Id } | { height: Whole };
export type Role = "collection" | "consensus" | "execution" | "verification" | "access";
export type Status = "active" | "joining" | "leaving" | "ejected";
export type EpochName = "previous" | "current" | "next";

/** Which nodes; an empty or missing list does not filter. */
export interface IdentityFilter {
  roles?: readonly Role[];
  statuses?: readonly Status[];
  node_ids?: readonly Id[];
}

export type Topic =
  | "snapshot"
  | "seal"
  | "execution_result"
  | { identity: Id }
  | { identities: IdentityFilter }
  | { epoch: EpochName };

export interface Question<T extends Topic = Topic> {
  block: Block;
  topic: T;
}

/** How far a block is proved, weakest first. */
export type Trust = "known" | "certified" | "finalized" | "sealed";

/** By what it is proved. */
export type AnchoredBy =
  | { kind: "known_block" }
  | { kind: "hash_links"; block_id: Id; height: Whole }
  | { kind: "committee"; epoch_counter: Whole }
  /** The epoch is over, and its committee's keys may be anybody's by now. */
  | { kind: "past_committee"; epoch_counter: Whole; since_ms: Whole; age_ms_max: Whole };

/** What every answer says of its block. */
export interface Answer {
  block_id: Id;
  height: Whole;
  view: Whole;
  trust: Trust;
  anchored_by: AnchoredBy;
}

export interface EpochFields {
  epoch_counter: Whole;
  /** flow-go's name, such as `EpochPhaseStaking`. */
  epoch_phase: string;
  epoch_fallback_triggered: boolean;
  first_view: Whole;
  /** Last view, extensions counted. */
  final_view: Whole;
  views_left: Whole;
  extensions: { first_view: Whole; final_view: Whole }[];
}

/** `null` where the evidence does not prove it. */
export interface StatusFields {
  certified: boolean;
  finalized: boolean;
  sealed: boolean;
  sealed_by_block_id: Id | null;
  sealed_by_height: Whole | null;
  last_sealed_block_id: Id | null;
}

export interface SnapshotFields extends EpochFields, StatusFields {
  chain_id: string;
  timestamp_ms: Whole;
  protocol_state_id: Id;
  protocol_state_version: Whole;
  version_upgrade: { version: Whole; activation_view: Whole } | null;
  epoch_state_id: Id;
  epoch_extension_view_count: Whole;
  finalization_safety_threshold: Whole;
  /** From protocol state version 2 on. */
  execution?: ExecutionParameters;
}

export interface ExecutionParameters {
  execution_effort_weights: Record<string, Whole>;
  execution_memory_weights: Record<string, Whole>;
  execution_memory_limit: Whole;
  execution_component_version: ComponentVersion;
  cadence_component_version: ComponentVersion;
}

export interface ComponentVersion {
  current: string;
  update: { version: string; activation_view: Whole } | null;
}

export interface Identity {
  node_id: Id;
  address: string;
  role: Role;
  initial_weight: Whole;
  /** BLS key, 96 bytes; null where the epoch's setup has none. */
  staking_key: string | null;
  /** ECDSA key, 64 bytes; null where the epoch's setup has none. */
  network_key: string | null;
  status: Status;
}

export type EpochAnswer = Answer & EpochFields;
export type StatusAnswer = Answer & StatusFields;
export type SnapshotAnswer = Answer & SnapshotFields;
/** All nodes that pass the filter; empty is the proof that there is none. */
export type IdentitiesAnswer = Answer & { identities: Identity[] };

export interface EpochEventsAnswer extends Answer {
  epoch_counter: Whole;
  setup_id: Id;
  /** `null` while the epoch is only set up. */
  commit_id: Id | null;
  first_view: Whole;
  final_view: Whole;
  participants: number;
}

export interface SealAnswer extends Answer {
  seal_id: Id;
  result_id: Id;
  final_state: string;
  sealed_by_block_id: Id;
  sealed_by_height: Whole;
}

export interface ExecutionResultAnswer extends Answer {
  result_id: Id;
  previous_result_id: Id;
  execution_data_id: Id;
  chunks: number;
  service_events: ({ type: string } & Record<string, unknown>)[];
  /** The whole result, RLP as flow-go encodes it. */
  rlp: string;
}

export type AnswerTo<T extends Topic> = T extends "snapshot" ? SnapshotAnswer
  : T extends "seal" ? SealAnswer
  : T extends "execution_result" ? ExecutionResultAnswer
  : T extends { epoch: EpochName } ? EpochEventsAnswer
  : IdentitiesAnswer;

/** What was asked of whom, and how it failed. */
export type ErrorKind =
  /** Something is missing that you can get or mend, such as the clock; `rule` says what. */
  | "missing"
  /** Nobody can prove it now. */
  | "not-yet"
  /** Only a newer version of this package understands it. */
  | "needs-update"
  /** The evidence breaks `rule`: whoever made it is at fault. */
  | "invalid"
  /** No answer, or none that can be read. */
  | "transport"
  /** What is kept cannot be used or written. */
  | "store"
  /** An argument makes no sense. */
  | "usage";

export class WeirError extends Error {
  constructor(kind: ErrorKind, rule: string, message: string, fields?: object);
  readonly kind: ErrorKind;
  /** As `docs/rules.md` names it, for the verifier's kinds. */
  readonly rule: string;
  /** The server that sent it. */
  readonly url?: string;
  /** gRPC status code of a refusal. */
  readonly status?: number;
  /** Least height of a head that serves, when the one held is too old. */
  readonly height_needed?: Whole;
}

/** Whether it is an error of this package; errors of the verifier are of no class of their own. */
export function isWeirError(error: unknown): error is WeirError;

/** The verifier's clock: Unix milliseconds, or those with bounds. */
export type Now = Whole | ClockOptions & { now_ms: Whole };

export interface ClockOptions {
  /** The time, instead of the system's. */
  now_ms?: Whole | undefined;
  /** Greatest age of trust: an hour to ten years, by default ten years. */
  trusting_period_ms?: Whole | undefined;
  /**
   * Greatest age of what only the committee of an epoch before the trusted head's certifies: at most
   * ten years, by default the trusting period; 0 takes hash links alone.
   */
  past_committee_age_ms?: Whole | undefined;
  /** How far blocks may be ahead of the clock: at most a day, by default 30,000. */
  clock_skew_ms?: Whole | undefined;
}

export interface TrustedBlock {
  block_id: Id;
  height: Whole;
  view: Whole;
  timestamp_ms: Whole;
}

export interface TrustedSummary {
  chain_id: string;
  checkpoint: TrustedBlock;
  head: TrustedBlock;
  oldest_epoch_counter: Whole;
  newest_epoch_counter: Whole;
}

/** What to send with a request, so that the answer leaves it out. */
export interface Held {
  checkpoint_id: Id;
  head_id: Id;
  newest_epoch_counter: Whole;
  preimage_ids: Id[];
}

/** Loads the verifier; needed before `TrustedState` and `verifyFile`. */
export function load(
  source?: URL | string | BufferSource | WebAssembly.Module | Response,
): Promise<void>;

/** A checkpoint and what is proved from it. Methods throw `WeirError`s. */
export class TrustedState {
  private constructor();
  /** The ID is trusted, the evidence is not. */
  static fromCheckpoint(checkpointId: Id, evidence: Uint8Array): TrustedState;
  /** The caller vouches for the bytes. */
  static fromBytes(bytes: Uint8Array): TrustedState;
  toBytes(): Uint8Array;
  /** Hops before a wrong one stay applied. */
  applyHops(evidence: Uint8Array, now: Now): { skipped: number; applied: number; more: boolean };
  verify(question: Question, evidence: Uint8Array, now: Now, view: "epoch"): EpochAnswer;
  verify(question: Question, evidence: Uint8Array, now: Now, view: "status"): StatusAnswer;
  verify<T extends Topic>(question: Question<T>, evidence: Uint8Array, now: Now): AnswerTo<T>;
  /**
   * Whether the evidence verified last has a seal that nothing known yet proves: it may lie in a later
   * epoch, after whose hops the same question has a better answer.
   */
  leavesSeal(): boolean;
  held(): Held;
  summary(): TrustedSummary;
  /** Gives the memory back at once, instead of some time after the last use. */
  free(): void;
}

/** Verifies evidence that `weir --save` wrote. */
export function verifyFile(
  checkpointId: Id,
  evidence: Uint8Array,
  now: Now,
  view?: "epoch" | "status",
): Answer & Record<string, unknown>;

export interface StoreEntry {
  bytes: Uint8Array;
  newest_epoch_counter: Whole;
  head_height: Whole;
  head_id: Id;
}

/** Keeps trusted states, one for each checkpoint. */
export interface Store {
  load(checkpointId: Id): Promise<Uint8Array | undefined>;
  /** Whether it was kept: one with an older epoch or a lower head never replaces another. */
  save(checkpointId: Id, entry: StoreEntry): Promise<boolean>;
}

export class MemoryStore implements Store {
  load(checkpointId: Id): Promise<Uint8Array | undefined>;
  save(checkpointId: Id, entry: StoreEntry): Promise<boolean>;
}

export class IndexedDbStore implements Store {
  /** Name of the database, by default `weir`. */
  constructor(name?: string);
  load(checkpointId: Id): Promise<Uint8Array | undefined>;
  save(checkpointId: Id, entry: StoreEntry): Promise<boolean>;
}

export interface ServerOptions {
  /** Longest wait for one whole answer, by default 60,000 ms. */
  timeoutMs?: number;
  /** Most bytes of evidence in one answer, by default 64 MiB. */
  evidenceBytesMax?: number;
  /** Instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/** A server of `weir.v1.SnapshotAPI`; what it returns is untrusted. */
export class Server {
  constructor(url: string, options?: ServerOptions);
  readonly url: string;
  info(): Promise<{
    chain_id: string;
    first_height: Whole;
    epoch_counter: Whole;
    server_version: string;
  }>;
}

export interface StartOptions extends ServerOptions {
  /** The server, such as `http://127.0.0.1:9400`. */
  url: string;
  /** ID of a finalized block that the caller trusts. */
  checkpoint: Id;
  /** By default nothing outlives the client. */
  store?: Store;
  clock?: ClockOptions;
  /** Where the verifier is, as `load` takes it. */
  source?: Parameters<typeof load>[0];
}

export interface Progress {
  /** Newest epoch proved. */
  epoch_counter: Whole;
  /** Epoch of the checkpoint. */
  first_epoch_counter: Whole;
  /** Newest epoch as the server says; nothing proves it. */
  target_epoch_counter: Whole;
  bytes_received: number;
}

export interface Effort {
  hops: number;
  bytes_received: number;
}

export interface AskOptions {
  /** How far the answer's block should be proved, by default `sealed`, where it is sealed. */
  proof?: "final" | "sealed" | "linked";
}

/** A client of one server. Its methods reject with `WeirError`s and do one thing at a time. */
export class LightClient {
  private constructor();
  /** Goes on from what the store has, or fetches and verifies the checkpoint. */
  static start(options: StartOptions): Promise<LightClient>;
  readonly trusted: TrustedSummary;
  readonly effort: Effort;
  exportState(): Uint8Array;
  /** Walks to the newest epoch and proves the newest final block. */
  sync(
    onProgress?: (progress: Progress) => void,
  ): Promise<Effort & { answer: SnapshotAnswer; head: TrustedBlock }>;
  ask(question: Question, options: AskOptions & { view: "epoch" }): Promise<EpochAnswer>;
  ask(question: Question, options: AskOptions & { view: "status" }): Promise<StatusAnswer>;
  ask<T extends Topic>(question: Question<T>, options?: AskOptions): Promise<AnswerTo<T>>;
  epoch(block?: Block): Promise<EpochAnswer>;
  status(block?: Block): Promise<StatusAnswer>;
  snapshot(block?: Block): Promise<SnapshotAnswer>;
  identities(filter?: IdentityFilter, block?: Block): Promise<IdentitiesAnswer>;
  identity(nodeId: Id, block?: Block): Promise<IdentitiesAnswer>;
  epochEvents(epoch?: EpochName, block?: Block): Promise<EpochEventsAnswer>;
  seal(block?: Block): Promise<SealAnswer>;
  executionResult(block?: Block): Promise<ExecutionResultAnswer>;
}
