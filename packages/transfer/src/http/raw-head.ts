import type { Dispatcher } from 'undici';

const lineEnd = Buffer.from('\r\n');
const headEnd = Buffer.from('\r\n\r\n');
const statusBegin = Buffer.from('HTTP/1.');
/** Longer status lines are not found. */
const maxStatusLine = 128;

/**
 * The memory of a response's head, from `HTTP/` to the empty line, so that it can be released; null if it is not in one piece.
 *
 * Relies on undici's `rawHeaders` (documented) being views of the memory that was read (not documented). Nothing is computed from that: the
 * bytes around the views are compared with what must be there. If they are copies one day, nothing is found, and that memory is left to the
 * garbage collector.
 */
export function rawHead({ rawHeaders }: Pick<Dispatcher.DispatchController, 'rawHeaders'>): Buffer | null {
  if (!Array.isArray(rawHeaders)) return null;
  const first = rawHeaders[0];
  const last = rawHeaders.at(-1);
  if (!(first instanceof Uint8Array && last instanceof Uint8Array) || first.buffer !== last.buffer) return null;
  const memory = Buffer.from(first.buffer);
  const headersEnd = last.byteOffset + last.length;
  const end = headersEnd + headEnd.length;
  if (!memory.subarray(headersEnd, end).equals(headEnd)) return null;
  const lines = memory.subarray(Math.max(0, first.byteOffset - maxStatusLine), first.byteOffset);
  const begin = lines.lastIndexOf(statusBegin);
  if (begin < 0 || lines.indexOf(lineEnd, begin) !== lines.length - lineEnd.length) return null;
  return memory.subarray(first.byteOffset - (lines.length - begin), end);
}
