import { fetchRange } from '../http/fetch-range.ts';
import type { RangeFlow, RangeOptions } from '../http/range-sink.ts';
import type { RangeHead, RangeRequest } from '../http/response-head.ts';
import type { PartialFile } from '../partial/partial-file.ts';
import type { RangeWriter } from '../partial/range-writer.ts';
import type { Part } from './range-plan.ts';

export interface PartFetch {
  readonly request: RangeRequest;
  readonly options: RangeOptions;
  readonly partial: PartialFile;
  /** The answer is accepted: gives the part that its bytes are for, which another may be than the one asked for. */
  begin(head: RangeHead): Promise<Part>;
  /** The part has all its bytes and more come: whether it may grow. */
  extend(part: Part): boolean;
  onBytes(bytes: number): void;
  onWritten(): void;
}

export interface PartOutcome {
  /** All of the part before this offset is in the file; null where no byte was accepted. */
  readonly written: number | null;
  /** Where the body came to the end that was announced: what the answer said. */
  readonly head: RangeHead | null;
  readonly error: unknown;
}

/** Fetches one part over one connection. Never rejects: also after a fault what has come is in the file. */
export async function fetchPart(fetch: PartFetch): Promise<PartOutcome> {
  const body = new PartBody(fetch);
  try {
    const head = await fetchRange(fetch.request, fetch.options, {
      start: (answered, flow) => body.start(answered, flow),
      write: (chunk) => body.write(chunk),
    });
    return { written: await body.flush(), head, error: null };
  } catch (error) {
    try {
      return { written: await body.flush(), head: null, error };
    } catch (diskError) {
      // An error of the disk outweighs one of the network.
      return { written: body.written, head: null, error: diskError };
    }
  }
}

class PartBody {
  readonly #fetch: PartFetch;
  /** `begin` may throw away what is on disk: it has to have ended before anybody goes on with the file, also where its request has failed. */
  #started: Promise<void> = Promise.resolve();
  #part: Part | null = null;
  #flow: RangeFlow | null = null;
  #writer: RangeWriter | null = null;

  constructor(fetch: PartFetch) {
    this.#fetch = fetch;
  }

  get written(): number | null {
    return this.#writer?.written ?? null;
  }

  start(head: RangeHead, flow: RangeFlow): Promise<void> {
    this.#started = this.#begin(head, flow);
    return this.#started;
  }

  write(chunk: Buffer): boolean {
    const part = this.#part;
    const writer = this.#writer;
    if (part === null || writer === null) throw new Error('bytes came before the answer was accepted');
    this.#fetch.onBytes(chunk.length);
    let isReady = true;
    for (let rest = chunk; rest.length > 0; ) {
      if (part.position >= part.end && !this.#fetch.extend(part)) {
        this.#flow?.stop();
        break;
      }
      const piece = rest.subarray(0, part.end - part.position);
      part.position += piece.length;
      isReady = writer.write(piece);
      rest = rest.subarray(piece.length);
    }
    return isReady;
  }

  async flush(): Promise<number | null> {
    await this.#started;
    await this.#writer?.flush();
    return this.written;
  }

  async #begin(head: RangeHead, flow: RangeFlow): Promise<void> {
    const part = await this.#fetch.begin(head);
    this.#part = part;
    this.#flow = flow;
    this.#writer = this.#fetch.partial.openWriter(part.position, {
      onWritten: () => this.#fetch.onWritten(),
      onReady: () => flow.resume(),
      onError: (error) => flow.abort(error),
    });
  }
}
