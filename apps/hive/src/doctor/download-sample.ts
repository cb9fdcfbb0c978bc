import { type Clock, formatBytes, formatSpeed, RbeeError } from '@rbee/contract';
import { headerOf } from '@rbee/http';
import { errorOfConnection, errorOfStatus } from '@rbee/transfer';
import { discard, requestFollowing } from '../sources/http/request.ts';
import { type HubAccess, requestFile } from '../sources/hugging-face/hub-file.ts';
import { failed, ok, skipped, type Verdict, warning } from './verdict.ts';

/** A public file that has been on the hub for years: 548 MB, of which little is read. */
export const SAMPLE = { repo: 'openai-community/gpt2', path: 'model.safetensors' } as const;
const START = 1_000_000;
const MAX_BYTES = 4_000_000;
const MAX_READ_MS = 5_000;
/** Fewer bytes, or less time, do not give a useful speed. */
const MIN_BYTES = 100_000;
const MIN_READ_MS = 1;
const SLOW_BPS = 1_000_000;

const RANGE_HINT =
  'interrupted downloads start from the beginning: look for a proxy or mirror that drops Range headers';

/** The response to a range in the middle of a file. */
export interface Sample {
  /** The host that sent it: the hub, or the target of its redirect. */
  readonly host: string;
  readonly status: number;
  readonly contentRange: string | null;
  /** Bytes that were read. */
  readonly bytes: number;
  readonly readMs: number;
}

/** The hub has no such file, or not for everybody: that says nothing about the route to it. */
const MISSING: ReadonlySet<string> = new Set([
  'MODEL_NOT_FOUND',
  'MODEL_TOKEN_MISSING',
  'MODEL_TOKEN_INVALID',
  'MODEL_GATED',
  'MODEL_ACCESS_DENIED',
]);

/**
 * Reads a few megabytes from the middle of the sample; null where the hub does not have it.
 * @throws RbeeError as `requestFile` and `requestFollowing` say; the signal's reason
 */
export async function readSample(hub: HubAccess, clock: Clock, signal: AbortSignal): Promise<Sample | null> {
  const location = await locate(hub, signal);
  if (location === null) return null;
  const headers = { ...location.headers, range: `bytes=${START}-${START + MAX_BYTES - 1}` };
  const response = await requestFollowing(hub, { method: 'GET', url: new URL(location.url), headers, signal });
  const { url, status } = response;
  if (status >= 400) {
    discard(response);
    throw errorOfStatus(status, response.headers);
  }
  const startedAtMs = clock.elapsed();
  let bytes = 0;
  try {
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // A server that ignores the range would send the whole file.
      if (bytes >= MAX_BYTES || clock.elapsed() - startedAtMs >= MAX_READ_MS) break;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, url.host);
  } finally {
    discard(response);
  }
  const contentRange = headerOf(response.headers, 'content-range');
  return { host: url.host, status, contentRange, bytes, readMs: clock.elapsed() - startedAtMs };
}

async function locate(hub: HubAccess, signal: AbortSignal) {
  try {
    return (await requestFile(hub, SAMPLE.repo, 'main', SAMPLE.path, signal)).location;
  } catch (error) {
    if (error instanceof RbeeError && MISSING.has(error.code)) return null;
    throw error;
  }
}

/** Whether an interrupted download can resume. */
export function judgeRange(sample: Sample | null, host: string): Verdict {
  if (sample === null) return notThere(host);
  const { status, contentRange } = sample;
  if (status === 200) return warning(`${sample.host} sends the whole file when a range is requested`, RANGE_HINT);
  if (status !== 206 || !contentRange?.startsWith(`bytes ${START}-`)) {
    return failed(`${sample.host} does not send the requested range (status ${status})`, RANGE_HINT);
  }
  return ok(`${sample.host} supports ranges: interrupted downloads resume`);
}

export function judgeSpeed(sample: Sample | null, host: string): Verdict {
  if (sample === null) return notThere(host);
  const { bytes, readMs } = sample;
  const bps = (bytes / Math.max(MIN_READ_MS, readMs)) * 1_000;
  if (bytes < MIN_BYTES && readMs < MAX_READ_MS) return skipped(`${sample.host} sent too little to measure a speed`);
  const message = `${formatSpeed(bps)} over one connection (${formatBytes(bytes)} from ${sample.host})`;
  if (bps >= SLOW_BPS) return ok(message);
  return warning(
    message,
    'downloads use more connections where that helps; otherwise check what else uses the connection, or use a nearer mirror (HF_ENDPOINT)',
  );
}

function notThere(host: string): Verdict {
  return skipped(`not tested: ${host} does not have the sample ${SAMPLE.repo} (${SAMPLE.path})`);
}
