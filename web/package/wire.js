// Protobuf, as far as `weir.v1.SnapshotAPI` needs it: requests are written, of responses only the
// evidence and the server's word about itself are read.

/** Bytes of hexadecimal digits. */
export function fromHex(text) {
  if (typeof text !== "string" || !/^([0-9a-fA-F]{2})*$/.test(text)) {
    throw new TypeError("not hexadecimal digits");
  }
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}

/** One message after another. */
export function concat(parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function varint(number) {
  let rest = BigInt(number);
  if (rest < 0n || rest >> 64n) throw new RangeError("not an unsigned number of 64 bits");
  const bytes = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Uint8Array.from([...bytes, Number(rest)]);
}

/** A number's field; zero is left out, as proto3 has it. */
function number(field, value) {
  return BigInt(value) === 0n ? new Uint8Array() : presentNumber(field, value);
}

function presentNumber(field, value) {
  return concat([varint(field << 3), varint(value)]);
}

/** A field of bytes or of a message; there even when empty. */
function bytes(field, value) {
  return concat([varint((field << 3) | 2), varint(value.length), value]);
}

function packed(field, values) {
  return values.length === 0 ? new Uint8Array() : bytes(field, concat(values.map(varint)));
}

function selector(block) {
  if (block === "latest_finalized") return bytes(1, new Uint8Array());
  if (block === "latest_sealed") return bytes(2, new Uint8Array());
  if (block?.id !== undefined) return bytes(3, fromHex(block.id));
  if (block?.height !== undefined) return presentNumber(4, block.height);
  throw new TypeError("`block` names no block");
}

function heldMessage(held) {
  return concat([
    bytes(1, fromHex(held.checkpoint_id)),
    ...held.preimage_ids.map((id) => bytes(2, fromHex(id))),
    bytes(3, fromHex(held.head_id)),
    number(4, held.newest_epoch_counter),
  ]);
}

function position(names, name) {
  const found = names.indexOf(name);
  if (found < 0) throw new TypeError(`no such name: ${name}`);
  return found + 1;
}

const ROLES = ["collection", "consensus", "execution", "verification", "access"];
const STATUSES = ["active", "joining", "leaving", "ejected"];
const EPOCHS = ["previous", "current", "next"];
const PROOFS = { final: 0, sealed: 1, linked: 3 };
const EVIDENCE_ONLY = 1;

/** Method, request, and the field of the response that has the evidence. */
export function questionCall(question, held, proof = "final") {
  if (!(proof in PROOFS)) throw new TypeError(`no such proof: ${proof}`);
  const common = bytes(1, concat([
    bytes(1, selector(question.block)),
    bytes(2, heldMessage(held)),
    number(3, EVIDENCE_ONLY),
    number(4, PROOFS[proof]),
  ]));
  const call = (method, evidence, ...more) =>
    ({ method, evidence, request: concat([common, ...more]) });
  const { topic } = question;
  if (topic === "snapshot") return call("GetSnapshot", 2);
  if (topic === "seal") return call("GetSeal", 5);
  if (topic === "execution_result") return call("GetExecutionResult", 4);
  if (topic?.identity !== undefined) {
    return call("GetIdentity", 3, bytes(2, fromHex(topic.identity)));
  }
  if (topic?.identities !== undefined) {
    return call("ListIdentities", 3, ...filterFields(topic.identities));
  }
  if (topic?.epoch !== undefined) {
    return call("GetEpoch", 7, number(2, position(EPOCHS, topic.epoch)));
  }
  throw new TypeError("`topic` is no topic");
}

function filterFields({ roles = [], statuses = [], node_ids: nodeIds = [] }) {
  // As flow-go writes it, such as EpochParticipationStatusActive, or as Weir does.
  const status = (name) => name.replace("EpochParticipationStatus", "").toLowerCase();
  return [
    packed(2, roles.map((name) => position(ROLES, name))),
    packed(3, statuses.map((name) => position(STATUSES, status(name)))),
    ...nodeIds.map((id) => bytes(4, fromHex(id))),
  ];
}

/** Evidence for a checkpoint. */
export function checkpointCall(blockId) {
  return { method: "GetCheckpoint", evidence: 1, request: bytes(1, fromHex(blockId)) };
}

/** A page of epoch hops. */
export function hopsCall(epochCounter, held) {
  const request = concat([number(1, epochCounter), bytes(2, heldMessage(held))]);
  return { method: "GetEpochHops", evidence: 1, request };
}

/** The fields of a message: for each number the last value, bytes or a bigint. */
export function fields(message) {
  const found = new Map();
  let at = 0;
  const take = (length) => {
    if (length > message.length - at) throw new RangeError("a field ends beyond its message");
    at += length;
    return message.subarray(at - length, at);
  };
  const number = () => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const [byte] = take(1);
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError("a number is too long");
  };
  while (at < message.length) {
    const tag = number();
    const kind = Number(tag & 7n);
    let value;
    if (kind === 0) value = number();
    else if (kind === 1) value = take(8);
    else if (kind === 2) value = take(Number(number()));
    else if (kind === 5) value = take(4);
    else throw new RangeError("a field is of no known kind");
    found.set(Number(tag >> 3n), value);
  }
  return found;
}

/** A number of a message, 0 when it is missing. */
export function numberOf(message, field) {
  const value = message.get(field) ?? 0n;
  if (typeof value !== "bigint") throw new RangeError("a field is no number");
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** Bytes of a message, none when they are missing. */
export function bytesOf(message, field) {
  const value = message.get(field) ?? new Uint8Array();
  if (!(value instanceof Uint8Array)) throw new RangeError("a field is not bytes");
  return value;
}

/** Text of a message. */
export function textOf(message, field) {
  return new TextDecoder().decode(bytesOf(message, field));
}
