// Protobuf, as far as a server's word about itself and its refusals need it. Requests and evidence are
// the verifier's to write and to read.

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
