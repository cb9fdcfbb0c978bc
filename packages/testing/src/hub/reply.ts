import { gzipSync } from 'node:zlib';
import { type Content, toContent } from './content.ts';
import { ifRangeHolds, parseRange } from './range.ts';
import type { HubRequest } from './request.ts';

/** Larger bodies are files, which come as they are. */
const MAX_GZIP_BYTES = 2 ** 20;

/** A list where a header is sent more than once. */
export type ReplyHeaders = Readonly<Record<string, string | string[]>>;

/** The response that a route chose; nothing has been sent yet. */
export interface Reply {
  readonly status: number;
  readonly headers: ReplyHeaders;
  readonly body: ReplyBody | null;
}

export interface ReplyBody {
  readonly content: Content;
  readonly start: number;
  readonly end: number;
}

export interface ServedFile {
  readonly content: Content;
  readonly etag: string;
  /** HTTP date. */
  readonly lastModified: string;
  /** Headers in addition to the ones that the content brings. */
  readonly headers: Readonly<Record<string, string>>;
}

export function textReply(
  status: number,
  text: string,
  headers: ReplyHeaders = {},
  type = 'text/plain; charset=utf-8',
): Reply {
  const content = toContent(Buffer.from(text));
  return {
    status,
    headers: { 'Content-Type': type, 'Content-Length': String(content.size), ...headers },
    body: { content, start: 0, end: content.size },
  };
}

export function jsonReply(status: number, value: unknown, headers: ReplyHeaders = {}): Reply {
  return textReply(status, JSON.stringify(value), headers, 'application/json; charset=utf-8');
}

/** A redirect with the text that servers put into it, whose length is its Content-Length. */
export function redirect(status: number, location: string, headers: ReplyHeaders = {}): Reply {
  return textReply(status, `Redirecting to ${location}`, { Location: location, ...headers });
}

export function dispositionOf(path: string): string {
  const name = path.split('/').at(-1) ?? path;
  return `inline; filename*=UTF-8''${encodeURIComponent(name)}; filename="${name.replace(/[^\x20-\x7e]|"/g, '_')}";`;
}

/** The same in gzip, where it is a whole body. */
export function gzipped(reply: Reply): Reply {
  const { body, status } = reply;
  if (body === null || status !== 200 || body.end > MAX_GZIP_BYTES) return reply;
  const content = toContent(gzipSync(body.content.read(body.start, body.end)));
  const headers = { ...reply.headers, 'Content-Encoding': 'gzip', 'Content-Length': String(content.size) };
  return { status, headers, body: { content, start: 0, end: content.size } };
}

/** A file as a static server sends it: whole, one range, or 416; `If-Range` is respected. */
export function fileReply(request: HubRequest, file: ServedFile): Reply {
  const { content } = file;
  const common = {
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    ETag: file.etag,
    'Last-Modified': file.lastModified,
    ...file.headers,
  };
  const ifRange = request.headers['if-range'];
  const wanted = ifRangeHolds(typeof ifRange === 'string' ? ifRange : null, file.etag, file.lastModified)
    ? parseRange(request.range, content.size)
    : null;
  if (wanted === 'unsatisfiable') {
    return textReply(416, 'Requested Range Not Satisfiable', { ...common, 'Content-Range': `bytes */${content.size}` });
  }
  const { start, end } = wanted ?? { start: 0, end: content.size };
  const length = { 'Content-Length': String(end - start) };
  if (wanted === null) return { status: 200, headers: { ...common, ...length }, body: { content, start, end } };
  const range = { 'Content-Range': `bytes ${start}-${end - 1}/${content.size}` };
  return { status: 206, headers: { ...common, ...length, ...range }, body: { content, start, end } };
}
