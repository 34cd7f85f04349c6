// Errors: what kind of failure, which rule, which server.

/** A failure that this package tells apart; the verifier's errors have the same shape. */
export class WeirError extends Error {
  constructor(kind, rule, message, fields = {}) {
    super(message);
    this.name = "WeirError";
    this.kind = kind;
    this.rule = rule;
    Object.assign(this, fields);
  }
}

/** Whether it is an error of this package or of the verifier. */
export function isWeirError(error) {
  return error instanceof Error && error.name === "WeirError";
}

/** No answer, or none that can be read. */
export function transportError(url, rule, message, fields) {
  return new WeirError("transport", rule, `${url}: ${message}`, { url, ...fields });
}

/** What is kept cannot be used. */
export function storeError(rule, message, cause) {
  return new WeirError("store", rule, message, { cause });
}
