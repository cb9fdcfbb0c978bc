import { type Clock, formatBytes, formatSpeed, RbeeError } from '@rbee/contract';
import { errorOfConnection, errorOfStatus, headerOf } from '@rbee/transfer';
import { askFollowing, discard } from '../sources/http/request.ts';
import { askForFile, type HubAccess } from '../sources/hugging-face/hub-file.ts';
import { failed, ok, skipped, type Verdict, warning } from './verdict.ts';

/** A file of the hub that everybody may read and that has been there for years; 548 MB, of which little is read. */
export const SAMPLE = { repo: 'openai-community/gpt2', path: 'model.safetensors' } as const;
const START = 1_000_000;
const MAX_BYTES = 4_000_000;
const MAX_READ_MS = 5_000;
/** With fewer bytes, or in less time, a speed says nothing. */
const MIN_BYTES = 100_000;
const MIN_READ_MS = 1;
const SLOW_BPS = 1_000_000;

const RANGE_HINT =
  'a download that is cut begins again there: look for a proxy or mirror on the way that drops Range headers';

/** A piece out of the middle of a file, as it came. */
export interface Sample {
  /** Who sent it: the hub, or where it leads to. */
  readonly host: string;
  readonly status: number;
  readonly contentRange: string | null;
  /** Bytes that were read of it. */
  readonly bytes: number;
  readonly readMs: number;
}

/** Codes of a hub that has no such file, or not for everybody: that says nothing of the way to it. */
const MISSING: ReadonlySet<string> = new Set([
  'MODEL_NOT_FOUND',
  'MODEL_TOKEN_MISSING',
  'MODEL_TOKEN_INVALID',
  'MODEL_GATED',
  'MODEL_ACCESS_DENIED',
]);

/**
 * Reads some megabytes out of the middle of the file; null where the hub does not have it.
 * @throws RbeeError as `askForFile` and `askFollowing` say; the signal's reason
 */
export async function readSample(hub: HubAccess, clock: Clock, signal: AbortSignal): Promise<Sample | null> {
  const location = await locate(hub, signal);
  if (location === null) return null;
  const headers = { ...location.headers, range: `bytes=${START}-${START + MAX_BYTES - 1}` };
  const answer = await askFollowing(hub, { method: 'GET', url: new URL(location.url), headers, signal });
  const { url, status } = answer;
  if (status >= 400) {
    discard(answer);
    throw errorOfStatus(status, answer.headers);
  }
  const startedAtMs = clock.now();
  let bytes = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // Who ignores the range would send all of it.
      if (bytes >= MAX_BYTES || clock.now() - startedAtMs >= MAX_READ_MS) break;
    }
  } catch (error) {
    signal.throwIfAborted();
    throw errorOfConnection(error, url.host);
  } finally {
    discard(answer);
  }
  const contentRange = headerOf(answer.headers, 'content-range');
  return { host: url.host, status, contentRange, bytes, readMs: clock.now() - startedAtMs };
}

async function locate(hub: HubAccess, signal: AbortSignal) {
  try {
    return (await askForFile(hub, SAMPLE.repo, 'main', SAMPLE.path, signal)).location;
  } catch (error) {
    if (error instanceof RbeeError && MISSING.has(error.code)) return null;
    throw error;
  }
}

/** Whether a download that is cut can go on where it was. */
export function judgeRange(sample: Sample | null, host: string): Verdict {
  if (sample === null) return notThere(host);
  const { status, contentRange } = sample;
  if (status === 200) return warning(`${sample.host} sends the whole file where a part of it is asked for`, RANGE_HINT);
  if (status !== 206 || !contentRange?.startsWith(`bytes ${START}-`)) {
    return failed(`${sample.host} sends another part of a file than was asked for (status ${status})`, RANGE_HINT);
  }
  return ok(`${sample.host} sends parts of files: a download that is cut goes on where it was`);
}

export function judgeSpeed(sample: Sample | null, host: string): Verdict {
  if (sample === null) return notThere(host);
  const { bytes, readMs } = sample;
  const bps = (bytes / Math.max(MIN_READ_MS, readMs)) * 1_000;
  if (bytes < MIN_BYTES && readMs < MAX_READ_MS) return skipped(`${sample.host} sent too little to tell a speed`);
  const message = `${formatSpeed(bps)} over one connection (${formatBytes(bytes)} from ${sample.host})`;
  if (bps >= SLOW_BPS) return ok(message);
  return warning(
    message,
    'downloads take more connections where that helps; else look for what else uses the line, or a nearer mirror (HF_ENDPOINT)',
  );
}

function notThere(host: string): Verdict {
  return skipped(`${host} does not have ${SAMPLE.repo} (${SAMPLE.path}), by which this is tested`);
}
