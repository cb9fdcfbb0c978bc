import type { ReadableStreamDefaultReader } from 'node:stream/web';
import type { ReaderLike } from 'eventsource';
import { reasonOf } from './follow-request.ts';
import { createRetryLines } from './retry-lines.ts';

export type StreamBody = ReadableStreamDefaultReader<Uint8Array>;

export interface BodyWatcher {
  /** Bytes came; comments count. */
  onLife(): void;
  /** Nothing more comes. `farewellMs`: how long the server asked to stay away with its last line, null when it did not. */
  onEnd(reason: string, farewellMs: number | null): void;
}

/**
 * The body as EventSource gets to see it. `retry:` lines are kept from it, an error is a plain end, and at the end it is told to come back
 * at once: how long to wait is decided by whoever makes the next connection.
 */
export function createBodyReader(body: StreamBody, watcher: BodyWatcher): ReaderLike {
  const lines = createRetryLines();
  let hasEnded = false;

  function end(reason: string): Uint8Array {
    hasEnded = true;
    watcher.onEnd(reason, lines.farewellMs);
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
        return { done: false, value: lines.strip(next.value) };
      } catch (error) {
        return { done: false, value: end(reasonOf(error)) };
      }
    },
    cancel: () => body.cancel(),
  };
}
