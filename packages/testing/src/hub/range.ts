/** Half open: `end` is the first byte that is not in it. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/**
 * The one range a `Range` header asks for. null where there is none or where it is not one to be obeyed
 * (RFC 9110 lets a server answer several ranges, and must let it answer a malformed header, with the whole file).
 */
export function parseRange(header: string | null, size: number): ByteRange | 'unsatisfiable' | null {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return null;
  if (first === '') {
    const length = Math.min(Number(last), size);
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size };
  }
  const start = Number(first);
  if (last !== '' && Number(last) < start) return null;
  if (start >= size) return 'unsatisfiable';
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) };
}

/** Whether a `Range` counts: yes without `If-Range`, else only for the same strong ETag or the very same date. */
export function ifRangeHolds(header: string | null, etag: string, lastModified: string): boolean {
  if (header === null) return true;
  if (header.startsWith('"')) return header === etag;
  return header === lastModified;
}
