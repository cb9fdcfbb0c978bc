import { createEventCounter } from './event-limit.ts';

/** Takes the events that are too large out of a stream, so that the others still arrive. */
export interface OversizedEvents {
  /** The whole events of the chunk, with what earlier chunks had of the first. The last one is kept back until it is whole. */
  strip(chunk: Uint8Array): Uint8Array;
  /** What there is of the event that is not whole yet; nothing of one that is too large. */
  rest(): Uint8Array;
  /** An event is so large that it may never end. */
  readonly isEndless: boolean;
}

// An event that is larger than this many times the limit is taken for one without an end.
const endlessFactor = 16;
const leastBytes = 1_024;

/** Keeps back no more than one event of `maxChars`, and calls `onOversized` once for each larger one. */
export function createOversizedEvents(maxChars: number, onOversized: () => void): OversizedEvents {
  const counter = createEventCounter();
  let held = Buffer.alloc(0);
  let heldBytes = 0;
  let isOversized = false;

  function hold(bytes: Uint8Array): void {
    if (heldBytes + bytes.length > held.length) {
      const larger = Buffer.alloc(Math.max(leastBytes, 2 * (heldBytes + bytes.length)));
      held.copy(larger, 0, 0, heldBytes);
      held = larger;
    }
    held.set(bytes, heldBytes);
    heldBytes += bytes.length;
  }

  function release(): Uint8Array {
    const bytes = held.subarray(0, heldBytes);
    // It belongs to the caller now.
    held = Buffer.alloc(0);
    heldBytes = 0;
    return bytes;
  }

  return {
    strip(chunk) {
      const whole: Uint8Array[] = [];
      let start = 0;
      let end = 0;
      for (let index = 0; index < chunk.length; index += 1) {
        counter.count(chunk[index] ?? 0);
        if (counter.chars > maxChars && !isOversized) {
          isOversized = true;
          release();
          if (end > start) whole.push(chunk.subarray(start, end));
          start = end;
          onOversized();
        }
        if (counter.chars > 0) continue;
        if (isOversized) start = index + 1;
        else if (heldBytes > 0) whole.push(release());
        end = index + 1;
        isOversized = false;
      }
      if (end > start) whole.push(chunk.subarray(start, end));
      if (!isOversized && end < chunk.length) hold(chunk.subarray(end));
      const [only] = whole;
      return whole.length === 1 && only !== undefined ? only : Buffer.concat(whole);
    },
    rest: release,
    get isEndless() {
      return counter.chars > endlessFactor * maxChars;
    },
  };
}
