/** Takes `retry:` lines out of an event stream, so that the client decides how far to follow them. */
export interface RetryLines {
  /** The same bytes with each `retry` line turned into a comment. `chunk` itself is not changed. */
  strip(chunk: Uint8Array): Uint8Array;
  /** The reconnect delay in milliseconds that the server sent last; null when an event came after it. */
  readonly farewellMs: number | null;
  /** Whether the next byte starts a line. */
  readonly isAtLineStart: boolean;
}

const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const colon = 0x3a;
const letterR = 0x72;
const byteOrderMark = [0xef, 0xbb, 0xbf];
const maxRetryLineBytes = 32;

/**
 * Works on bytes and needs no look-ahead: of the fields of an event stream only `retry` starts with an `r`, and lines with unknown names
 * are ignored by every parser, so each line that starts with an `r` can become a comment as soon as its first byte is seen.
 */
export function createRetryLines(): RetryLines {
  let position = 0;
  let isAtLineStart = true;
  let retryLine: string | null = null;
  let farewellMs: number | null = null;

  function endLine(): void {
    if (retryLine !== null) {
      const digits = /^retry: ?(\d+)$/.exec(retryLine)?.[1];
      if (digits !== undefined) farewellMs = Number(digits);
      retryLine = null;
    }
    isAtLineStart = true;
  }

  // Empty lines and comments do not cancel a farewell; anything else does.
  function startLine(byte: number): boolean {
    if (position < byteOrderMark.length && byte === byteOrderMark[position]) return false;
    isAtLineStart = false;
    if (byte === letterR) {
      retryLine = '';
      return true;
    }
    if (byte !== colon) farewellMs = null;
    return false;
  }

  function strip(chunk: Uint8Array): Uint8Array {
    let stripped = chunk;
    for (let index = 0; index < chunk.length; index += 1) {
      const byte = chunk[index] ?? lineFeed;
      if (byte === lineFeed || byte === carriageReturn) endLine();
      else if (isAtLineStart && startLine(byte)) {
        if (stripped === chunk) stripped = new Uint8Array(chunk);
        stripped[index] = colon;
      }
      if (retryLine !== null && retryLine.length < maxRetryLineBytes) retryLine += String.fromCharCode(byte);
      position += 1;
    }
    return stripped;
  }

  return {
    strip,
    get farewellMs() {
      return farewellMs;
    },
    get isAtLineStart() {
      return isAtLineStart;
    },
  };
}
