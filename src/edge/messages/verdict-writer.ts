// Writes verdicts as encoded ValidateTokenResponse messages, byte for byte what encoding the messages would give.

import { toBinary } from '@bufbuild/protobuf';
import { timestampFromMs, TimestampSchema } from '@bufbuild/protobuf/wkt';
import type { InactiveReason as InactiveCode } from '../../../gen/latchkey/v1/token_pb.ts';
import { PrincipalKind } from '../../../gen/latchkey/v1/token_pb.ts';
import type { Principal } from '../../domain/access/principal.ts';
import { CREDENTIAL } from './encode.ts';

const BYTES_PER_VERDICT = 320;
/** The longest varint of a length or a time. */
const MAX_VARINT = 10;
const MAX_INT32 = 0x7fff_ffff;
/** The room that is left for a length until it is known, in bytes: what most texts and times take, and most messages. */
const SHORT = 1;
const LONG = 2;

// Tags: field number << 3 | wire type (0 varint, 2 length-delimited).
const BATCH_RESPONSES = 0x0a;
const RESPONSE = { active: 0x08, inactiveReason: 0x10, principal: 0x1a, expiresAt: 0x2a, cacheTtl: 0x32 };
const PRINCIPAL = {
  subjectId: 0x0a,
  kind: 0x10,
  role: 0x1a,
  scopes: 0x22,
  sessionId: 0x2a,
  credential: 0x30,
  authTime: 0x3a,
  amr: 0x42,
};
const SECONDS = 0x08;
const NANOS = 0x10;

/** What a response says. Times are epoch milliseconds. */
export type WrittenVerdict =
  | { readonly active: true; readonly principal: Principal; readonly cacheTtlMs: number }
  | { readonly active: false; readonly reason: InactiveCode };

type Grant = Pick<Principal, 'kind' | 'role'> & { readonly bytes: Uint8Array };

/** What is written of kind, role and scopes, by the array of the scopes. */
const grants = new WeakMap<readonly string[], Grant>();

/** The bytes of one ValidateTokenResponse. */
export function encodeVerdict(verdict: WrittenVerdict): Buffer {
  const writer = new VerdictWriter(1);
  writer.write(verdict);
  return writer.bytes;
}

/** The bytes of a BatchValidateTokensResponse. */
export function encodeVerdicts(verdicts: readonly WrittenVerdict[]): Buffer {
  const writer = new VerdictWriter(verdicts.length);
  for (const verdict of verdicts) writer.writeInBatch(verdict);
  return writer.bytes;
}

class VerdictWriter {
  #bytes: Buffer;
  #length = 0;

  constructor(verdicts: number) {
    this.#bytes = Buffer.allocUnsafe(verdicts * BYTES_PER_VERDICT);
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  writeInBatch(verdict: WrittenVerdict): void {
    const start = this.#begin(BATCH_RESPONSES, LONG);
    this.write(verdict);
    this.#end(start, LONG);
  }

  write(verdict: WrittenVerdict): void {
    if (!verdict.active) return this.#number(RESPONSE.inactiveReason, verdict.reason);
    const { principal, cacheTtlMs } = verdict;
    this.#number(RESPONSE.active, 1);
    const start = this.#begin(RESPONSE.principal, LONG);
    this.#principal(principal);
    this.#end(start, LONG);
    if (principal.expiresAt !== undefined) this.#time(RESPONSE.expiresAt, principal.expiresAt);
    this.#time(RESPONSE.cacheTtl, cacheTtlMs);
  }

  #principal(principal: Principal): void {
    this.#text(PRINCIPAL.subjectId, principal.subjectId);
    this.#grant(principal);
    if (principal.sessionId !== undefined && principal.sessionId !== '')
      this.#text(PRINCIPAL.sessionId, principal.sessionId);
    this.#number(PRINCIPAL.credential, CREDENTIAL[principal.credential]);
    if (principal.authTime !== undefined) this.#time(PRINCIPAL.authTime, principal.authTime);
    for (const method of principal.amr) this.#text(PRINCIPAL.amr, method);
  }

  // Kind, role and scopes: many principals share them, and cached tokens even the array of the scopes.
  #grant({ kind, role, scopes }: Principal): void {
    const known = grants.get(scopes);
    if (known?.kind === kind && known.role === role) {
      this.#makeRoom(known.bytes.length);
      this.#bytes.set(known.bytes, this.#length);
      this.#length += known.bytes.length;
      return;
    }
    const start = this.#length;
    this.#number(PRINCIPAL.kind, kind === 'user' ? PrincipalKind.USER : PrincipalKind.SERVICE);
    if (role !== '') this.#text(PRINCIPAL.role, role);
    for (const scope of scopes) this.#text(PRINCIPAL.scopes, scope);
    grants.set(scopes, { kind, role, bytes: Uint8Array.from(this.#bytes.subarray(start, this.#length)) });
  }

  #number(tag: number, value: number): void {
    this.#makeRoom(1 + MAX_VARINT);
    this.#byte(tag);
    this.#varint(value);
  }

  #text(tag: number, text: string): void {
    // In UTF-8 a code unit takes three bytes at most.
    this.#makeRoom(1 + SHORT + 3 * text.length);
    const start = this.#begin(tag, SHORT);
    this.#length += this.#bytes.write(text, start);
    this.#end(start, SHORT);
  }

  // Timestamp and Duration have the same fields.
  #time(tag: number, milliseconds: number): void {
    const start = this.#begin(tag, SHORT);
    this.#makeRoom(2 * (1 + MAX_VARINT));
    if (milliseconds >= 0 && Number.isSafeInteger(milliseconds)) {
      const rest = milliseconds % 1_000;
      if (milliseconds >= 1_000) this.#number(SECONDS, (milliseconds - rest) / 1_000);
      if (rest > 0) this.#number(NANOS, rest * 1_000_000);
    } else {
      const bytes = toBinary(TimestampSchema, timestampFromMs(milliseconds));
      this.#bytes.set(bytes, this.#length);
      this.#length += bytes.length;
    }
    this.#end(start, SHORT);
  }

  /** Begins a field that is length-delimited; where what it holds begins. */
  #begin(tag: number, lengthRoom: number): number {
    this.#makeRoom(1 + lengthRoom);
    this.#byte(tag);
    this.#length += lengthRoom;
    return this.#length;
  }

  /** Writes the length of what began at `start`, and moves that where the length takes other than `lengthRoom`. */
  #end(start: number, lengthRoom: number): void {
    const length = this.#length - start;
    const shift = varintLength(length) - lengthRoom;
    if (shift !== 0) {
      this.#makeRoom(MAX_VARINT);
      this.#bytes.copyWithin(start + shift, start, this.#length);
    }
    this.#length = start - lengthRoom;
    this.#varint(length);
    this.#length += length;
  }

  #varint(value: number): void {
    let rest = value;
    // Bit operations take 32 bits; division is several times slower.
    for (; rest > MAX_INT32; rest = Math.floor(rest / 0x80)) this.#byte((rest % 0x80) | 0x80);
    for (; rest >= 0x80; rest >>>= 7) this.#byte((rest & 0x7f) | 0x80);
    this.#byte(rest);
  }

  #byte(byte: number): void {
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(2 * (this.#length + bytes));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

function varintLength(value: number): number {
  let length = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length += 1;
  return length;
}
