import { setImmediate } from 'node:timers/promises';

/** A row of a list of files has some hundred bytes. */
const MAX_ROW_BYTES = 64 * 1024;

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const WHITE_SPACE: ReadonlySet<number> = new Set([0x20, 0x09, 0x0a, 0x0d]);
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** Not the JSON that was expected. */
export class MalformedRows extends Error {}

/**
 * The elements of a JSON array as they arrive, in batches of one chunk: a long list is neither held as text nor parsed in one go, which
 * would stop the event loop, and a caller that has enough leaves early.
 * @throws MalformedRows where the text is not one JSON array, or an element is larger than `maxRowBytes`
 */
export async function* jsonRows(
  chunks: AsyncIterable<Buffer>,
  maxRowBytes: number = MAX_ROW_BYTES,
): AsyncGenerator<unknown[], void, undefined> {
  const scan = new RowScan(maxRowBytes);
  for await (const chunk of chunks) {
    const rows = scan.read(chunk);
    if (rows.length > 0) yield rows;
    // A body that has already arrived would otherwise be read to its end in one turn of the loop.
    await setImmediate();
  }
  scan.end();
}

class RowScan {
  readonly #maxRowBytes: number;
  /** Brackets that are open; 0 before the array, and -1 after it. */
  #depth = 0;
  #isInString = false;
  #isEscaped = false;
  /** The beginning of a row that an earlier chunk had. */
  #held: Buffer = Buffer.alloc(0);
  #rows = 0;

  constructor(maxRowBytes: number) {
    this.#maxRowBytes = maxRowBytes;
  }

  read(chunk: Buffer): unknown[] {
    const rows: unknown[] = [];
    let from = 0;
    for (let at = 0; at < chunk.length; at += 1) {
      const byte = chunk[at] ?? 0;
      if (this.#isInString) {
        this.#readInString(byte);
      } else if (byte === QUOTE) {
        if (this.#depth < 1) throw new MalformedRows();
        this.#isInString = true;
      } else if (OPENING.has(byte)) {
        if (this.#depth === 0) {
          if (byte !== 0x5b || !isBlank(withoutMark(this.#take(chunk, from, at)))) throw new MalformedRows();
          from = at + 1;
        }
        if (this.#depth === -1) throw new MalformedRows();
        this.#depth += 1;
      } else if (byte === COMMA && this.#depth === 1) {
        rows.push(this.#parse(this.#take(chunk, from, at)));
        from = at + 1;
      } else if (CLOSING.has(byte)) {
        if (this.#depth < 1) throw new MalformedRows();
        this.#depth -= 1;
        if (this.#depth > 0) continue;
        const last = this.#take(chunk, from, at);
        if (byte !== 0x5d) throw new MalformedRows();
        if (this.#rows > 0 || !isBlank(last)) rows.push(this.#parse(last));
        from = at + 1;
        this.#depth = -1;
      }
    }
    this.#held = this.#take(chunk, from, chunk.length);
    return rows;
  }

  end(): void {
    if (this.#depth !== -1 || !isBlank(this.#held)) throw new MalformedRows();
  }

  #readInString(byte: number): void {
    if (this.#isEscaped) this.#isEscaped = false;
    else if (byte === BACKSLASH) this.#isEscaped = true;
    else if (byte === QUOTE) this.#isInString = false;
  }

  /** What an earlier chunk left, and this part of the chunk. */
  #take(chunk: Buffer, from: number, to: number): Buffer {
    const bytes =
      this.#held.length === 0 ? chunk.subarray(from, to) : Buffer.concat([this.#held, chunk.subarray(from, to)]);
    this.#held = Buffer.alloc(0);
    if (bytes.length > this.#maxRowBytes) throw new MalformedRows();
    return bytes;
  }

  #parse(row: Buffer): unknown {
    this.#rows += 1;
    try {
      return JSON.parse(row.toString());
    } catch {
      throw new MalformedRows();
    }
  }
}

/** Nothing but the white space of JSON. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => WHITE_SPACE.has(byte));
}

/** The text may begin with the mark of UTF-8. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, MARK.length).equals(MARK) ? bytes.subarray(MARK.length) : bytes;
}
