import {
  downloadIdSchema,
  downloadStatusSchema,
  hiveIdSchema,
  jobIdSchema,
  jobSchema,
  parseModelRef,
} from '@rbee/contract';
import { type DownloadState, isEnded } from '@rbee/download-tracker';
import { z } from 'zod';

const MAX_BLOBS = 100_000;
/** The last moment that a `Date` can hold. */
const MAX_TIME_MS = 8.64e15;

const timeSchema = z.int().nonnegative().max(MAX_TIME_MS);
const countSchema = z.int().nonnegative();

/** What a row of `downloads` must hold in `state`. */
const stateSchema = z
  .object({
    downloadId: downloadIdSchema,
    jobId: jobIdSchema,
    hiveId: hiveIdSchema,
    modelRef: z.string().refine(isRef, 'a ref that this version reads'),
    status: downloadStatusSchema,
    bytes: countSchema,
    total: countSchema.nullable(),
    filesDone: countSchema,
    filesTotal: countSchema,
    file: z.string().nullable(),
    attempt: z.int().positive(),
    connections: countSchema,
    bytesReused: countSchema,
    bytesWasted: countSchema,
    createdAtMs: timeSchema,
    startedAtMs: timeSchema.nullable(),
    endedAtMs: timeSchema.nullable(),
    /** Missing in what older versions wrote. */
    elapsedMs: z.number().nonnegative().optional(),
    path: z.string().nullable(),
    sha256: z.string().nullable(),
    partial: z.enum(['kept', 'discarded']).nullable(),
    error: jobSchema.shape.error,
    priority: z.int(),
    maxBandwidth: z.number().positive().nullable(),
    retryOf: downloadIdSchema.nullable(),
  })
  .refine(({ status, endedAtMs }) => isEnded(status) === (endedAtMs !== null), 'ended if it has a time of its end');

const contentSchema = z.object({ place: z.string().min(1), blobNames: z.array(z.string()).max(MAX_BLOBS) });

/** Where a download writes, in the store's terms. */
export type DownloadContent = Readonly<{ place: string; blobNames: readonly string[] }>;

/** The state of a download of a row. @throws Error when it is none */
export function readState(id: string, text: string): DownloadState {
  const value: unknown = JSON.parse(text);
  const { downloadId, startedAtMs, endedAtMs, elapsedMs } = stateSchema.parse(value);
  if (downloadId !== id) throw new Error('the state has another id');
  const byClock = Math.max(0, (endedAtMs ?? 0) - (startedAtMs ?? endedAtMs ?? 0));
  return { ...(value as DownloadState), files: [], elapsedMs: elapsedMs ?? byClock };
}

/** @throws Error when it is none */
export function readContent(text: string): DownloadContent {
  return contentSchema.parse(JSON.parse(text));
}

function isRef(text: string): boolean {
  try {
    parseModelRef(text);
    return true;
  } catch {
    return false;
  }
}
