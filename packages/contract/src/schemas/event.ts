import { z } from 'zod';
import { downloadIdSchema, jobIdSchema } from '../ids.ts';
import { progressSchema } from './download.ts';
import { errorCodeSchema } from './error-body.ts';
import { bytesSchema, partialSchema, secondsSchema, timestampSchema } from './shared-schemas.ts';

export const noticeCodeSchema = z.enum([
  'RETRY',
  'STALL',
  'RESUME',
  'RESTART',
  'THROTTLE',
  'HIVE_LOST',
  'HIVE_BACK',
  'CANCEL_PENDING',
]);
export type NoticeCode = z.infer<typeof noticeCodeSchema>;

/** Something to know that is not the end: a retry, a stall, a resume, an unreachable hive. */
const noticeSchema = z.object({
  download_id: downloadIdSchema,
  code: noticeCodeSchema,
  message: z.string(),
  attempt: z.int().positive().optional(),
  max_attempts: z.int().positive().optional(),
  next_retry_at: timestampSchema.optional(),
});
export type Notice = z.infer<typeof noticeSchema>;

const completeSchema = z.object({
  download_id: downloadIdSchema,
  bytes: bytesSchema,
  total: bytesSchema,
  duration_secs: secondsSchema,
  /** The verified file, or the snapshot folder of several files. */
  path: z.string(),
  /** null for several files. */
  sha256: z.string().nullable(),
});
type Complete = z.infer<typeof completeSchema>;

const downloadErrorSchema = z.object({
  download_id: downloadIdSchema,
  error: z.string(),
  code: errorCodeSchema,
  hint: z.string().optional(),
  bytes: bytesSchema,
  total: bytesSchema.nullable(),
  retryable: z.boolean(),
});
type DownloadError = z.infer<typeof downloadErrorSchema>;

const cancelledSchema = z.object({
  download_id: downloadIdSchema,
  bytes: bytesSchema,
  total: bytesSchema.nullable(),
  partial: partialSchema,
});
type Cancelled = z.infer<typeof cancelledSchema>;

/** The events of a download stream by SSE name. */
export const downloadEventSchemas = {
  progress: progressSchema,
  notice: noticeSchema,
  complete: completeSchema,
  error: downloadErrorSchema,
  cancelled: cancelledSchema,
} as const;

export type DownloadEvent =
  | { readonly event: 'progress'; readonly data: z.infer<typeof progressSchema> }
  | { readonly event: 'notice'; readonly data: Notice }
  | { readonly event: 'complete'; readonly data: Complete }
  | { readonly event: 'error'; readonly data: DownloadError }
  | { readonly event: 'cancelled'; readonly data: Cancelled };
export type DownloadEventName = DownloadEvent['event'];

export const DOWNLOAD_EVENT_NAMES = Object.keys(downloadEventSchemas) as DownloadEventName[];

/** The events that end a download stream: exactly one per download. */
export const TERMINAL_EVENT_NAMES: readonly DownloadEventName[] = ['complete', 'error', 'cancelled'];

export function isTerminalEvent(name: string): boolean {
  return (TERMINAL_EVENT_NAMES as readonly string[]).includes(name);
}

/** The event of a stream of many downloads that comes after those that were there when it was opened. */
export const SNAPSHOT_END_EVENT = 'snapshot_end';
export const snapshotEndSchema = z.strictObject({});

/** The narration action that reports a running download at each heartbeat interval. */
export const HEARTBEAT_ACTION = 'download_progress';

/** The narration action that says what a download brings beyond its ref: people who wait for it see it too. */
export const PROJECTOR_ACTION = 'download_projector';

export const narrationSchema = z.object({
  job_id: jobIdSchema,
  /** What happened, for programs: `download_start`, `hive_chosen`. */
  action: z.string(),
  /** The same for people. */
  human: z.string(),
  /** The id of the daemon that reports it. */
  actor: z.string(),
  at: timestampSchema,
  level: z.enum(['info', 'warn', 'error']),
});
export type Narration = z.infer<typeof narrationSchema>;
export type NarrationLevel = Narration['level'];

/** A result of an operation that is not a download. */
export const jobDataSchema = z.object({ action: z.string(), payload: z.record(z.string(), z.unknown()) });
export type JobData = z.infer<typeof jobDataSchema>;

/** The named events of a job stream; its last event has no name and is plain text. */
export const JOB_EVENT_NAMES = ['narration', 'data'] as const;

export type JobEnd =
  | { readonly state: 'completed' }
  | { readonly state: 'failed'; readonly message: string }
  | { readonly state: 'cancelled' };

const ERROR_PREFIX = '[ERROR]';
// Line breaks of SSE, terminals and Unicode: the end of a job is always one line.
const LINE_BREAKS = /[\n\v\f\r\u0085\u2028\u2029]+/g;

/** The text of the last, unnamed event of a job stream. */
export function printJobEnd(end: JobEnd): string {
  if (end.state === 'completed') return '[DONE]';
  if (end.state === 'cancelled') return '[CANCELLED]';
  return `${ERROR_PREFIX} ${end.message.replaceAll(LINE_BREAKS, ' ')}`;
}

/** Parses the last, unnamed event of a job stream; null for any other text. */
export function parseJobEnd(text: string): JobEnd | null {
  if (text === '[DONE]') return { state: 'completed' };
  if (text === '[CANCELLED]') return { state: 'cancelled' };
  if (text.startsWith(ERROR_PREFIX)) return { state: 'failed', message: text.slice(ERROR_PREFIX.length).trim() };
  return null;
}
