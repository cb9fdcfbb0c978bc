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
  /** The response is accepted: returns the part that its bytes are for, which may differ from the requested one. */
  begin(head: RangeHead): Promise<Part>;
  /** The part is full and more bytes arrive: whether it may grow. */
  extend(part: Part): boolean;
  onBytes(bytes: number): void;
  onWritten(): void;
}

export interface PartOutcome {
  /** The part is in the file up to this offset; null if no byte was accepted. */
  readonly written: number | null;
  /** The head of the response, if its body came to the announced end. */
  readonly head: RangeHead | null;
  readonly error: unknown;
}

/** Fetches one part over one connection. Never rejects: after an error, too, everything received is in the file. */
export async function fetchPart(fetch: PartFetch): Promise<PartOutcome> {
  const body = new PartBody(fetch);
  try {
    const head = await fetchRange(fetch.request, fetch.options, {
      start: (accepted, flow) => body.start(accepted, flow),
      write: (chunk) => body.write(chunk),
    });
    return { written: await body.flush(), head, error: null };
  } catch (error) {
    try {
      return { written: await body.flush(), head: null, error };
    } catch (diskError) {
      // A disk error outweighs a network error.
      return { written: body.written, head: null, error: diskError };
    }
  }
}

class PartBody {
  readonly #fetch: PartFetch;
  /** `begin` may discard what is on disk, so it has to be over before the file is used again, even if the request has failed meanwhile. */
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
    if (part === null || writer === null) throw new Error('bytes came before the response was accepted');
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
