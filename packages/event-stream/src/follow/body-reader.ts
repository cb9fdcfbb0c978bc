import type { ReadableStreamDefaultReader } from 'node:stream/web';
import type { ReaderLike } from 'eventsource';
import { createEventLimit } from './event-limit.ts';
import { createRetryLines } from './retry-lines.ts';
import { reasonOf } from './stream-request.ts';

export type StreamBody = ReadableStreamDefaultReader<Uint8Array>;

export interface BodyWatcher {
  /** Of one event. One that is larger ends the body: nothing else would bound the memory. */
  readonly maxEventChars: number;
  /** Bytes came; comments count. */
  onLife(): void;
  /** Nothing more comes. */
  onEnd(end: BodyEnd): void;
}

export interface BodyEnd {
  readonly reason: string;
  /** How long the server asked to stay away with its last line, null when it did not. */
  readonly farewellMs: number | null;
  /** It was cut off since an event was too large. */
  readonly isTooLarge: boolean;
}

/**
 * The body as EventSource gets to see it. `retry:` lines are kept from it, an error is a plain end, and at the end it is told to come back
 * at once: how long to wait is decided by whoever makes the next connection.
 */
export function createBodyReader(body: StreamBody, watcher: BodyWatcher): ReaderLike {
  const lines = createRetryLines();
  const limit = createEventLimit(watcher.maxEventChars);
  let hasEnded = false;

  function end(reason: string, isTooLarge = false): Uint8Array {
    hasEnded = true;
    watcher.onEnd({ reason, farewellMs: lines.farewellMs, isTooLarge });
    // No blank line may come of this: it would complete an event that was cut off.
    return Buffer.from(lines.isAtLineStart ? 'retry: 0\n' : '\nretry: 0\n');
  }

  return {
    async read() {
      if (hasEnded) return { done: true };
      try {
        const next = await body.read();
        if (next.done) return { done: false, value: end('the stream ended') };
        watcher.onLife();
        const within = limit.within(next.value);
        const value = lines.strip(next.value.subarray(0, within));
        if (within === next.value.length) return { done: false, value };
        // Without it the socket would stay open, and its peer go on.
        body.cancel().catch(ignore);
        const last = end(`an event has more than ${watcher.maxEventChars} characters`, true);
        return { done: false, value: Buffer.concat([value, last]) };
      } catch (error) {
        return { done: false, value: end(reasonOf(error)) };
      }
    },
    cancel: () => body.cancel(),
  };
}

function ignore(): void {}
