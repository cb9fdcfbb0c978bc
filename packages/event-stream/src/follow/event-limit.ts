/** Counts the characters of each event of a stream, from one blank line to the next, line ends included. */
export interface EventCounter {
  count(byte: number): void;
  /** Characters of the event so far; 0 right after its blank line. */
  readonly chars: number;
}

/** Bounds the size of each event of a stream, however many lines it has. */
export interface EventLimit {
  /** How many bytes of the chunk are within the limit: all of them unless an event is too large. */
  within(chunk: Uint8Array): number;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const continuationMask = 0xc0;
const continuationByte = 0x80;

export function createEventCounter(): EventCounter {
  let chars = 0;
  let isAtLineStart = true;
  let isAfterReturn = false;

  return {
    get chars() {
      return chars;
    },
    count(byte) {
      chars += (byte & continuationMask) === continuationByte ? 0 : 1;
      const isSecondHalf = byte === lineFeed && isAfterReturn;
      isAfterReturn = byte === carriageReturn;
      if (isSecondHalf) return;
      const isLineEnd = byte === lineFeed || byte === carriageReturn;
      if (isLineEnd && isAtLineStart) chars = 0;
      isAtLineStart = isLineEnd;
    },
  };
}

export function createEventLimit(maxChars: number): EventLimit {
  const counter = createEventCounter();
  return {
    within(chunk) {
      for (let index = 0; index < chunk.length; index += 1) {
        counter.count(chunk[index] ?? lineFeed);
        if (counter.chars > maxChars) return index;
      }
      return chunk.length;
    },
  };
}
