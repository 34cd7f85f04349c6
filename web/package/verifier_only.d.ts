// Types of the verifier without a walk: bytes in, a verdict out.

import type {
  Answer, AnswerTo, ClockOptions, EpochAnswer, Id, Question, Source, StatusAnswer, Topic,
  TrustedSummary, Whole,
} from "./index.js";

export { WeirError, isWeirError } from "./index.js";

/** The verifier's clock: Unix milliseconds, or those with bounds. */
export type Now = Whole | ClockOptions & { now_ms: Whole };

/** What to send with a request, so that the answer leaves it out. */
export interface Held {
  checkpoint_id: Id;
  head_id: Id;
  newest_epoch_counter: Whole;
  preimage_ids: Id[];
}

/** Loads the verifier; needed before `TrustedState` and `verifyFile`. */
export function load(source?: Source): Promise<unknown>;

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
