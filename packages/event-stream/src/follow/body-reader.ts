import type { ReadableStreamDefaultReader } from 'node:stream/web';
import type { ReaderLike } from 'eventsource';
import { createEventLimit } from './event-limit.ts';
import { createOversizedEvents } from './oversized-events.ts';
import { createRetryLines } from './retry-lines.ts';
import { reasonOf } from './stream-request.ts';

export type StreamBody = ReadableStreamDefaultReader<Uint8Array>;

export interface BodyObserver {
  /** Limit of one event. A larger one is dropped if `onDropped` is there, and otherwise ends the body: memory is bounded. */
  readonly maxEventChars: number;
  /** An event was too large. */
  readonly onDropped?: ((reason: string) => void) | undefined;
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
  const { maxEventChars, onDropped } = observer;
  const tooLarge = `an event has more than ${maxEventChars} characters`;
  const lines = createRetryLines();
  const limit = onDropped === undefined ? cutting(maxEventChars) : dropping(maxEventChars, () => onDropped(tooLarge));
  let hasEnded = false;

  function end(reason: string, isTooLarge = false): Uint8Array {
    hasEnded = true;
    observer.onEnd({ reason, farewellMs: lines.farewellMs, isTooLarge });
    // This must not make a blank line: it would complete an event that was cut off.
    return Buffer.from(lines.isAtLineStart ? 'retry: 0\n' : '\nretry: 0\n');
  }

  function endWith(rest: Uint8Array, reason: string, isTooLarge = false): Uint8Array {
    const value = lines.strip(rest);
    return Buffer.concat([value, end(reason, isTooLarge)]);
  }

  return {
    async read() {
      if (hasEnded) return { done: true };
      try {
        const next = await body.read();
        if (next.done) return { done: false, value: endWith(limit.rest(), 'the stream ended') };
        observer.onActivity();
        const value = limit.take(next.value);
        if (!limit.isExceeded) return { done: false, value: lines.strip(value) };
        // Otherwise the socket would stay open and its peer would continue.
        body.cancel().catch(ignore);
        return { done: false, value: endWith(value, tooLarge, true) };
      } catch (error) {
        return { done: false, value: endWith(limit.rest(), reasonOf(error)) };
      }
    },
    cancel: () => body.cancel(),
  };
}

/** The bytes that EventSource may see. */
interface BodyLimit {
  take(chunk: Uint8Array): Uint8Array;
  /** What was kept back. */
  rest(): Uint8Array;
  readonly isExceeded: boolean;
}

/** Everything, up to the first event that is too large. */
function cutting(maxChars: number): BodyLimit {
  const limit = createEventLimit(maxChars);
  let isExceeded = false;
  return {
    take(chunk) {
      const within = limit.within(chunk);
      isExceeded = within < chunk.length;
      return chunk.subarray(0, within);
    },
    rest: () => new Uint8Array(),
    get isExceeded() {
      return isExceeded;
    },
  };
}

/** Everything but events that are too large. */
function dropping(maxChars: number, onOversized: () => void): BodyLimit {
  const events = createOversizedEvents(maxChars, onOversized);
  return {
    take: (chunk) => events.strip(chunk),
    rest: () => events.rest(),
    get isExceeded() {
      return events.isEndless;
    },
  };
}

function ignore(): void {}
