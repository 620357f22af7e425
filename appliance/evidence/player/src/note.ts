/** Keys, signed notes and checkpoints (C2SP signed-note, tlog-checkpoint and tlog-cosignature). */

import { base64, concat, hashOfLine, hex, textOf, unbase64, utf8 } from "./bytes";
import { verifies } from "./ed25519";
import { sha256 } from "./hash";
import type { Root } from "./merkle";

/** Bytes of a note. */
export const NOTE_BYTES_MAX = 1_048_576;
const SIGNATURES_MAX = 100;
const NAME_BYTES_MAX = 255;
const NUMBER_MAX = 2n ** 63n - 1n;
/** Types of keys: a log's and a witness's. */
export const LOG = 1;
export const WITNESS = 4;

/** Something is not in its format, or a signature is not its key's. */
export class Refused extends Error {}

function need(condition: boolean, why: string): asserts condition {
  if (!condition) throw new Refused(why);
}

function isName(name: string): boolean {
  return name !== "" && utf8(name).length <= NAME_BYTES_MAX && !/[\p{White_Space}\p{Cc}+]/u.test(name);
}

/** What checks the signatures of one log or witness, written `name+id+base64`. */
export interface Key {
  name: string;
  id: string;
  kind: number;
  bytes: Uint8Array;
  /** The key as it is written. */
  line: string;
}

/** Throws [`Refused`] with a sentence that says what to do. */
export function parseKey(text: string): Key {
  const first = text.indexOf("+");
  const second = text.indexOf("+", first + 1);
  const form = "a key is one line name+id+base64; the name has no space and no plus";
  need(first >= 0 && second >= 0, form);
  const [name, id] = [text.slice(0, first), text.slice(first + 1, second)];
  const blob = unbase64(text.slice(second + 1));
  need(blob !== null && blob.length === 33 && isName(name), form);
  const kind = blob[0] ?? 0;
  need(kind === LOG || kind === WITNESS, "the key is of a type that this page does not know; it knows Ed25519 for logs (1) and witnesses (4)");
  const own = hex(sha256(utf8(`${name}\n`), blob).subarray(0, 4));
  need(own === id, "the key's id does not fit its name and bytes; copy the whole line again");
  return { name, id, kind, bytes: blob.subarray(1), line: text };
}

/** The keys of a text, one a line. */
export function parseKeys(text: string): Key[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter((line) => line !== "").map(parseKey);
}

export interface Signature {
  name: string;
  id: string;
  bytes: Uint8Array;
}

/** A signature that is its key's. A witness's has a time in seconds since 1970. */
export interface Signed {
  key: Key;
  atS: bigint | null;
}

function parseSignature(line: string): Signature {
  const why = "a line behind the empty one is no signature";
  need(line.startsWith("— "), why);
  const rest = line.slice(2);
  const space = rest.indexOf(" ");
  need(space >= 0, why);
  const name = rest.slice(0, space);
  const blob = unbase64(rest.slice(space + 1), true);
  need(blob !== null && blob.length > 4 && isName(name), why);
  return { name, id: hex(blob.subarray(0, 4)), bytes: blob.subarray(4) };
}

/** A text with signatures, of which nothing is known before [`Note.signedBy`]. */
export class Note {
  readonly text: string;
  readonly signatures: readonly Signature[];

  constructor(bytes: Uint8Array) {
    need(bytes.length <= NOTE_BYTES_MAX, "it is larger than a note can be");
    const whole = textOf(bytes);
    need(whole !== null, "it is not UTF-8");
    need(!/[\u0000-\u0009\u000b-\u001f]/.test(whole), "it has a control character");
    const at = whole.lastIndexOf("\n\n");
    need(at >= 0, "it has no empty line before its signatures");
    this.text = whole.slice(0, at + 1);
    const lines = whole.slice(at + 2);
    need(lines.endsWith("\n"), "its last line has no end");
    const each = lines.slice(0, -1).split("\n");
    need(each.length <= SIGNATURES_MAX, "it has more signatures than a note can have");
    this.signatures = each.map(parseSignature);
  }

  /** The good signatures of `keys`; throws when a line belongs to one of them and does not verify, or to two of them. Lines of other keys are ignored. */
  signedBy(keys: readonly Key[]): Signed[] {
    const signed: Signed[] = [];
    for (const signature of this.signatures) {
      const own = keys.filter((key) => key.name === signature.name && key.id === signature.id);
      const key = own[0];
      if (key === undefined) continue;
      const name = `${signature.name}+${signature.id}`;
      need(own.every((other) => other.line === key.line), `two of the known keys are ${name}; give one of them`);
      const found = this.#check(key, signature.bytes);
      need(found !== null, `the signature of ${name} is not of this text`);
      if (!signed.some((other) => other.key.line === key.line && other.atS === found.atS)) signed.push(found);
    }
    return signed;
  }

  #check(key: Key, bytes: Uint8Array): Signed | null {
    const text = utf8(this.text);
    if (key.kind === LOG) return verifies(key.bytes, text, bytes) ? { key, atS: null } : null;
    if (bytes.length !== 72) return null;
    const atS = BigInt(`0x${hex(bytes.subarray(0, 8))}`);
    const message = concat([utf8(`cosignature/v1\ntime ${atS}\n`), text]);
    return atS <= NUMBER_MAX && verifies(key.bytes, message, bytes.subarray(8)) ? { key, atS } : null;
  }
}

/** A decimal below 2^63 without leading zeroes. */
function decimal(text: string): bigint | null {
  if (!/^(?:0|[1-9][0-9]{0,18})$/.test(text)) return null;
  const value = BigInt(text);
  return value <= NUMBER_MAX ? value : null;
}

/** Which log, how many leaves, which root. */
export class Checkpoint extends Note {
  readonly origin: string;
  readonly root: Root;

  constructor(bytes: Uint8Array) {
    super(bytes);
    const lines = this.text.slice(0, -1).split("\n");
    const [origin, size, root] = lines;
    need(lines.length >= 3 && lines.every((line) => line !== ""), "a checkpoint is three lines or more, none of them empty");
    need(utf8(origin ?? "").length <= NAME_BYTES_MAX, "the checkpoint's first line is longer than the name of a log can be");
    const count = decimal(size ?? "");
    need(count !== null, "the checkpoint's second line is no size");
    const hash = hashOfLine(root);
    need(hash !== null, "the checkpoint's third line is no root of a tree");
    this.origin = origin ?? "";
    this.root = { size: count, hash };
  }

  /** Signatures of the log among `keys`; throws as [`Note.signedBy`]. */
  byLog(keys: readonly Key[]): Signed[] {
    return this.signedBy(keys).filter((signed) => signed.key.kind === LOG);
  }

  /** Cosignatures of these witnesses; throws as [`Note.signedBy`]. */
  byWitness(keys: readonly Key[]): Signed[] {
    return this.signedBy(keys).filter((signed) => signed.key.kind === WITNESS);
  }

  get rootText(): string {
    return base64(this.root.hash);
  }
}

/** Which key of a log follows which. */
export interface KeyChange {
  origin: string;
  old: Key;
  next: Key;
}

/** The change that this note makes; throws when it is none, or is not signed with both keys. */
export function parseKeyChange(bytes: Uint8Array): KeyChange {
  const form = "the entry is no change of a log's key";
  const note = new Note(bytes);
  const lines = note.text.slice(0, -1).split("\n");
  const [title, origin, first, second] = lines;
  need(lines.length === 4 && title === "watchbook log key v1" && !!origin && !!first && !!second, form);
  const [old, next] = [parseKey(first), parseKey(second)];
  need(old.kind === LOG && next.kind === LOG && old.line !== next.line, form);
  const signed = note.signedBy([old, next]).map((one) => one.key.line);
  need(signed.includes(old.line) && signed.includes(next.line), "the change of key is not signed with both keys");
  return { origin, old, next };
}
