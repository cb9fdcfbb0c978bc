/** One Server-Sent Event. Browsers drop an event whose `data` is empty, so give it at least one character. */
export interface SseEvent {
  event?: string | undefined;
  data: string;
  id: string;
}

/** An event as bytes, encoded once and shared by all readers: read-only. */
export interface Frame {
  /** Empty for a comment and for `retry:`. */
  readonly id: string;
  /** A whole HTTP/1.1 chunk: size in hex, CRLF, the text, CRLF. */
  readonly chunked: Buffer;
  /** The text alone; the same memory as `chunked`. */
  readonly plain: Buffer;
}

const lineBreak = /\r\n|\n|\r/;
const forbidden = /[\r\n\0]/;
const crlfBytes = 2;

/** Throws an Error when `id` or `event` holds CR, LF or NUL. `data` may hold anything: it becomes several `data:` lines. */
export function encodeFrame(event: SseEvent): Frame {
  assertNoLineBreaks('id', event.id);
  let text = '';
  if (event.event !== undefined) {
    assertNoLineBreaks('event', event.event);
    text = `event: ${event.event}\n`;
  }
  text += `id: ${event.id}\n`;
  return frameOf(event.id, `${text}${dataLines(event.data)}\n`);
}

/** A comment keeps a connection alive; clients ignore it. Throws an Error for CR, LF and NUL. */
export function encodeComment(text: string): Frame {
  assertNoLineBreaks('comment', text);
  return frameOf('', `: ${text}\n\n`);
}

/** Asks a reader to wait `retryMs` before it reconnects. Throws an Error unless it is a whole number from 0. */
export function encodeRetry(retryMs: number): Frame {
  if (!Number.isSafeInteger(retryMs) || retryMs < 0) throw new Error('retry is a whole number of milliseconds from 0');
  return frameOf('', `retry: ${retryMs}\n\n`);
}

/** One chunk with all frames in order, under the id of the last; a single frame is returned unchanged. */
export function joinFrames(frames: readonly Frame[]): Frame {
  const last = frames.at(-1);
  if (last === undefined) throw new Error('there is no frame to join');
  if (frames.length === 1) return last;
  let bytes = 0;
  for (const frame of frames) bytes += frame.plain.length;
  const joined = allocateChunk(last.id, bytes);
  let offset = 0;
  for (const frame of frames) offset += frame.plain.copy(joined.plain, offset);
  return joined;
}

/**
 * Adds fields to an object that is already JSON: `('{"a":1}', '"x":"y"')` gives `{"x":"y","a":1}`. It reads only the start, so it costs
 * nanoseconds where parse and stringify cost microseconds. Throws an Error when `json` does not start with `{`.
 */
export function spliceFields(json: string, fields: string): string {
  if (!json.startsWith('{')) throw new Error('fields can only be added to a JSON object');
  if (fields === '') return json;
  const isEmpty = /^\{\s*\}/.test(json);
  return `{${fields}${isEmpty ? '' : ','}${json.slice(1)}`;
}

function dataLines(data: string): string {
  if (!data.includes('\n') && !data.includes('\r')) return `data: ${data}\n`;
  return data
    .split(lineBreak)
    .map((line) => `data: ${line}\n`)
    .join('');
}

function assertNoLineBreaks(field: string, value: string): void {
  if (forbidden.test(value)) throw new Error(`${field} of an event must not hold CR, LF or NUL`);
}

function frameOf(id: string, text: string): Frame {
  const frame = allocateChunk(id, Buffer.byteLength(text));
  frame.plain.write(text);
  return frame;
}

function allocateChunk(id: string, bytes: number): Frame {
  const head = `${bytes.toString(16)}\r\n`;
  const chunked = Buffer.allocUnsafe(head.length + bytes + crlfBytes);
  chunked.write(head, 0, 'latin1');
  chunked.write('\r\n', head.length + bytes, 'latin1');
  return { id, chunked, plain: chunked.subarray(head.length, head.length + bytes) };
}
