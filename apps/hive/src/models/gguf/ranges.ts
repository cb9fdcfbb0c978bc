import { open } from 'node:fs/promises';
import { RbeeError } from '@rbee/contract';
import { errorOfConnection, errorOfStatus, type Location } from '@rbee/transfer';
import { discard, type HttpClient, type HttpResponse, requestFollowing } from '../../sources/http/request.ts';
import type { ToWorker } from './gguf-channel.ts';
import type { RangeReader } from './read-gguf.ts';

/** Reads ranges of a file of this machine. */
export function localRanges(path: string): RangeReader {
  return async (start, end) => {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const bytes = new Uint8Array(Math.max(0, Math.min(end, size) - start));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, start);
      return { bytes: bytes.subarray(0, bytesRead), total: size };
    } finally {
      await file.close();
    }
  };
}

/** Reads ranges of a remote file. The location's headers go to its own origin, never along a redirect to another. */
export function remoteRanges(http: HttpClient, location: Location): RangeReader {
  return async (start, end, signal) => {
    const headers = { ...location.headers, range: `bytes=${start}-${end - 1}` };
    const response = await requestFollowing(http, { method: 'GET', url: new URL(location.url), headers, signal });
    return readRange(response, { start, end });
  };
}

async function readRange(response: HttpResponse, { start, end }: { start: number; end: number }): Promise<ToWorker> {
  const { status, headers, url } = response;
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(String(headers['content-range'] ?? ''));
  if (status === 206 && Number(range?.[1]) === start) {
    return { bytes: await readBeginning(response, end - start), total: numberOrNull(range?.[2]) };
  }
  // A server without ranges sends the whole file; the range is its beginning.
  if (status === 200 && start === 0) {
    return { bytes: await readBeginning(response, end), total: numberOrNull(headers['content-length']) };
  }
  discard(response);
  if (status === 416) return { bytes: new Uint8Array(), total: null };
  if (status >= 400) throw errorOfStatus(status, headers);
  throw new RbeeError('SOURCE_UNAVAILABLE', `${url.host} did not send the requested range`);
}

/** The first `most` bytes of a body; a longer one is cut off. */
async function readBeginning({ body, url }: HttpResponse, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(most);
  let length = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      const part = chunk.subarray(0, most - length);
      bytes.set(part, length);
      length += part.length;
      if (length === most) break;
    }
  } catch (error) {
    throw errorOfConnection(error, url.host);
  }
  return bytes.subarray(0, length);
}

function numberOrNull(text: unknown): number | null {
  return typeof text === 'string' && /^\d+$/.test(text) ? Number(text) : null;
}
