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

/** Loads the verifier as most pages need it; `LightClient.start` does it by itself. */
export function load(source?: Source): Promise<unknown>;

/** As `load`, with receipts, evidence to keep and snapshot trees as well. */
export function loadFull(source?: Source): Promise<unknown>;

/** Where a module is, by default beside the script. */
export type Source = URL | string | BufferSource | WebAssembly.Module | Response;

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
  /**
   * The server, such as `http://127.0.0.1:9400`. After a `#` may follow the ed25519 key, 64 hexadecimal
   * digits, that has to sign its answers; then all parts of the verifier are loaded.
   */
  url?: string;
  /** Several servers by preference; the others are witnesses of a sync. */
  servers?: readonly string[];
  /** ID of a finalized block that the caller trusts. */
  checkpoint: Id;
  /** By default nothing outlives the client. */
  store?: Store;
  /** What another client exported, instead of what the store has; the caller vouches for it. */
  state?: Uint8Array;
  clock?: ClockOptions;
  /**
   * Keeps the evidence from the checkpoint on: `prove` and `sync` return files that `weir verify` reads,
   * and a lie comes with what shows it. All parts of the verifier are loaded.
   */
  keepEvidence?: boolean;
  /** Ends the start. */
  signal?: AbortSignal;
  /** Where the verifier is, as `load` takes it. */
  source?: Source;
  /** Where the verifier with all its parts is, as `loadFull` takes it. */
  fullSource?: Source;
}

export interface Progress {
  /** Newest epoch proved. */
  epoch_counter: Whole;
  /** Epoch of the checkpoint. */
  first_epoch_counter: Whole;
  /** Newest epoch as the server says; nothing proves it. */
  target_epoch_counter: Whole;
  bytes_received: Whole;
}

export interface Effort {
  hops: Whole;
  bytes_received: Whole;
}

export interface CallOptions {
  /** Ends the call, which then rejects with the signal's reason; what was proved stays. */
  signal?: AbortSignal | undefined;
}

export interface AskOptions extends CallOptions {
  /** How far the answer's block should be proved, by default `sealed`, where it is sealed. */
  proof?: "final" | "sealed" | "linked" | undefined;
}

/** A server after a sync. */
export interface ServerReport {
  url: string;
  /** Height of its newest final block, `null` where it proves none. */
  head_height: Whole | null;
  /** How many blocks that is behind the head. */
  lag: Whole | null;
  verdict:
    | "agrees" | "behind" | "silent" | "refuses" | "conflicts" | "invalid" | "unproved" | "set aside";
}

export interface SyncResult extends Effort {
  answer: SnapshotAnswer;
  /** Newer than the answer's block where a witness led on. */
  head: TrustedBlock;
  /** All servers, by preference. */
  servers: ServerReport[];
  /** A file that `weir verify` reads, of a client that keeps evidence. */
  evidence: Uint8Array | undefined;
}

/** A server that was set aside. */
export interface Lie {
  url: string;
  /** Why, in words. */
  fault: string;
  /** What shows it to others: a file that `weir evidence verify` reads, of a client that keeps evidence. */
  evidence?: Uint8Array | undefined;
}

export interface TreeRoot {
  root: Id;
  /** Whether the block's own protocol state commits to it. */
  committed: boolean;
  block_id: Id;
  height: Whole;
  view: Whole;
  trust: Trust;
  anchored_by: AnchoredBy;
  protocol_state_id: Id;
}

export type TreeItem = "table" | { node: Id } | { role: Role } | { field: string };

export interface TreeAnswer {
  nodes: Record<Id, unknown>;
  roles: Record<string, unknown>;
  fields: Record<string, unknown>;
  /** `null` where the table was not asked for. */
  identities: unknown;
}

export interface WatchOptions extends CallOptions {
  /** How far a block must be before its changes are told, by default `finalized`. */
  level?: "certified" | "finalized" | "sealed" | undefined;
  /** A final height, or the cursor of an event told before; by default now. */
  after?: Whole | string | undefined;
  /** Which changes are told, by default all. */
  kinds?: readonly ("epoch" | "version" | "identity")[] | undefined;
  roles?: readonly Role[] | undefined;
  node_ids?: readonly Id[] | undefined;
  /** Blocks whose status is told as well, at most 64. */
  block_ids?: readonly Id[] | undefined;
}

/** What every event says; `weir watch --json` prints the same. */
export interface EventFields {
  block_id: Id;
  height: Whole;
  view: Whole;
  timestamp_ms: Whole;
  trust: Trust;
  /** For `after` of a later watch. */
  cursor: string;
  /** Cursor of the event before this one. */
  predecessor: string;
}

interface EpochState {
  epoch_counter: Whole;
  epoch_phase: string;
  epoch_fallback_triggered: boolean;
  first_view: Whole;
  final_view: Whole;
}

interface VersionState {
  protocol_state_version: Whole;
  version_upgrade: { version: Whole; activation_view: Whole } | null;
  /** Whether the upgrade is to a version that is not known here. */
  needs_update: boolean;
}

export type WatchEvent = EventFields & (
  | { event: "epoch"; before: EpochState } & EpochState
  | { event: "version"; before: VersionState } & VersionState
  | {
    event: "identity";
    node_id: Id;
    change: "joined" | "left" | "changed";
    identity: Identity | null;
    before: Identity | null;
  }
  /** Changes told of a certified block whose fork was not finalized hold no more. */
  | { event: "reverted"; finalized_id: Id; finalized_height: Whole }
  | { event: "status"; status: string; before: string | null }
);

/** An upgrade to a protocol version that is not known here. */
export interface UpgradeAhead {
  version: Whole;
  /** First view from which on it is in force. */
  activation_view: Whole;
  /** About when that is, Unix milliseconds. */
  about_ms: Whole | null;
  /** Newest version that is known here. */
  known_up_to: Whole;
}

/** A client of one server, or of several. Its methods reject with `WeirError`s and do one thing at a time. */
export class LightClient {
  private constructor();
  /** Goes on from a state or what the store has, or fetches and verifies the checkpoint. */
  static start(options: StartOptions): Promise<LightClient>;
  readonly trusted: TrustedSummary;
  readonly effort: Effort;
  /** The upgrade to a protocol version that this package does not know: from its view on a newer one is needed. */
  readonly upgradeAhead: UpgradeAhead | null;
  /** What is known of the servers since the start. */
  readonly report: { lies: Lie[]; remarks: string[] };
  exportState(): Uint8Array;
  /** Walks to the newest epoch, proves the newest final block, and asks the other servers about it. */
  sync(onProgress?: (progress: Progress) => void, options?: CallOptions): Promise<SyncResult>;
  ask(question: Question, options: AskOptions & { view: "epoch" }): Promise<EpochAnswer>;
  ask(question: Question, options: AskOptions & { view: "status" }): Promise<StatusAnswer>;
  ask<T extends Topic>(question: Question<T>, options?: AskOptions): Promise<AnswerTo<T>>;
  /** As `ask`, of a client that keeps evidence: with a file that `weir verify` reads. */
  prove<T extends Topic>(
    question: Question<T>,
    options?: AskOptions,
  ): Promise<{ answer: AnswerTo<T>; evidence: Uint8Array }>;
  epoch(block?: Block, options?: AskOptions): Promise<EpochAnswer>;
  status(block?: Block, options?: AskOptions): Promise<StatusAnswer>;
  snapshot(block?: Block, options?: AskOptions): Promise<SnapshotAnswer>;
  identities(filter?: IdentityFilter, block?: Block, options?: AskOptions): Promise<IdentitiesAnswer>;
  identity(nodeId: Id, block?: Block, options?: AskOptions): Promise<IdentitiesAnswer>;
  epochEvents(epoch?: EpochName, block?: Block, options?: AskOptions): Promise<EpochEventsAnswer>;
  seal(block?: Block, options?: AskOptions): Promise<SealAnswer>;
  executionResult(block?: Block, options?: AskOptions): Promise<ExecutionResultAnswer>;
  /** The root of a block's snapshot tree; loads all parts of the verifier. */
  treeRoot(block?: Block, options?: CallOptions): Promise<TreeRoot>;
  /** What a block's snapshot tree has of these items, under the root that this client proves. */
  askTree(
    items: readonly TreeItem[],
    block?: Block,
    options?: CallOptions,
  ): Promise<TreeRoot & { answer: TreeAnswer }>;
  /** Events as they happen, each proved, and none left out; a signal ends it. */
  watch(options?: WatchOptions): AsyncGenerator<WatchEvent, void, undefined>;
}
