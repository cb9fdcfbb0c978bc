import type { ReadableStreamDefaultReader } from 'node:stream/web';
import type { ReaderLike } from 'eventsource';
import { createEventLimit } from './event-limit.ts';
import { createRetryLines } from './retry-lines.ts';
import { reasonOf } from './stream-request.ts';

export type StreamBody = ReadableStreamDefaultReader<Uint8Array>;

export interface BodyObserver {
  /** Limit of one event. A larger one ends the body: nothing else would bound the memory. */
  readonly maxEventChars: number;
  /** Bytes arrived; comments count. */
  onActivity(): void;
  /** The body is over. */
  onEnd(end: BodyEnd): void;
}

export interface BodyEnd {
  readonly reason: string;
  /** The reconnect delay that the server sent as its last line; null when it sent none. */
  readonly farewellMs: number | null;
  /** It was cut off because an event was too large. */
  readonly isTooLarge: boolean;
}

/**
 * The body as EventSource sees it: without `retry:` lines, with an error as a plain end, and at the end with the order to reconnect
 * immediately. The code that makes the next connection decides how long to wait.
 */
export function createBodyReader(body: StreamBody, observer: BodyObserver): ReaderLike {
  const lines = createRetryLines();
  const limit = createEventLimit(observer.maxEventChars);
  let hasEnded = false;

  function end(reason: string, isTooLarge = false): Uint8Array {
    hasEnded = true;
    observer.onEnd({ reason, farewellMs: lines.farewellMs, isTooLarge });
    // This must not make a blank line: it would complete an event that was cut off.
    return Buffer.from(lines.isAtLineStart ? 'retry: 0\n' : '\nretry: 0\n');
  }

  return {
    async read() {
      if (hasEnded) return { done: true };
      try {
        const next = await body.read();
        if (next.done) return { done: false, value: end('the stream ended') };
        observer.onActivity();
        const within = limit.within(next.value);
        const value = lines.strip(next.value.subarray(0, within));
        if (within === next.value.length) return { done: false, value };
        // Otherwise the socket would stay open and its peer would continue.
        body.cancel().catch(ignore);
        const last = end(`an event has more than ${observer.maxEventChars} characters`, true);
        return { done: false, value: Buffer.concat([value, last]) };
      } catch (error) {
        return { done: false, value: end(reasonOf(error)) };
      }
    },
    cancel: () => body.cancel(),
  };
}

function ignore(): void {}
