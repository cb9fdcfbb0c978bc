import { z } from 'zod';
import { downloadIdSchema, hiveIdSchema, jobIdSchema } from '../ids.ts';
import { parseBandwidth, parseDuration } from '../units.ts';
import { bytesSchema, failureSchema, partialSchema, secondsSchema, timestampSchema } from './shared-schemas.ts';

export const downloadStatusSchema = z.enum([
  'queued',
  'starting',
  'downloading',
  'verifying',
  'paused',
  'complete',
  'failed',
  'cancelled',
]);
export type DownloadStatus = z.infer<typeof downloadStatusSchema>;

/** The statuses of a download that has not ended. */
export const ACTIVE_STATUSES = [
  'queued',
  'starting',
  'downloading',
  'verifying',
  'paused',
] as const satisfies readonly DownloadStatus[];

const MAX_PRIORITY = 1_000_000;
export const prioritySchema = z.int().min(-MAX_PRIORITY).max(MAX_PRIORITY);

/** Bytes per second as a number or as text (`50MB/s`); parsed to a number, or null for unlimited. */
export const bandwidthSchema = z.union([z.string(), z.number().nonnegative(), z.null()]).transform((value, context) => {
  try {
    return value === null ? null : parseBandwidth(value);
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not a bandwidth' });
    return z.NEVER;
  }
});

/** The most files that one event lists, so that events stay small. */
export const MAX_RUNNING_FILES = 8;

/** A running file: what its own progress bar needs. */
export const runningFileSchema = z.object({
  /** Its path in the repo. */
  name: z.string(),
  /** Its valid bytes on disk. */
  bytes: bytesSchema,
  total: bytesSchema.nullable(),
  status: downloadStatusSchema,
});
export type RunningFile = z.infer<typeof runningFileSchema>;

/** The `progress` event: everything a progress bar needs, independent of earlier events. */
export const progressSchema = z.object({
  download_id: downloadIdSchema,
  job_id: jobIdSchema,
  hive_id: hiveIdSchema,
  model_ref: z.string(),
  status: downloadStatusSchema,
  /** Valid bytes on disk. */
  bytes: bytesSchema,
  total: bytesSchema.nullable(),
  /** One decimal; null while the total is unknown. */
  percent: z.number().min(0).max(100).nullable(),
  /** Bytes per second: a moving average; 0 until there are four samples, and while nothing arrives. */
  speed_bps: bytesSchema,
  eta_secs: bytesSchema.nullable(),
  elapsed_secs: secondsSchema,
  files_done: z.int().nonnegative(),
  files_total: z.int().nonnegative(),
  /** The file that is being downloaded. */
  file: z.string().nullable(),
  /** The attempt at the current file, from 1. */
  attempt: z.int().positive(),
  connections: z.int().nonnegative(),
  /** Bytes that were on disk before this download started. */
  bytes_reused: bytesSchema,
  /** Bytes that were downloaded and had to be discarded. */
  bytes_wasted: bytesSchema,
  /** The running files of a running download with several files; missing otherwise. */
  files: z.array(runningFileSchema).max(MAX_RUNNING_FILES).optional(),
});
export type Progress = z.infer<typeof progressSchema>;

/** One download as in lists and in `GET …/downloads/:id`. */
export const downloadSchema = progressSchema.extend({
  created_at: timestampSchema,
  started_at: timestampSchema.nullable(),
  ended_at: timestampSchema.nullable(),
  /** The verified file, or the snapshot folder of several files; set when complete. */
  path: z.string().nullable(),
  sha256: z.string().nullable(),
  partial: partialSchema.nullable(),
  error: failureSchema.nullable(),
  /** Higher starts first. */
  priority: prioritySchema,
  /** Bytes per second; null is unlimited. */
  max_bandwidth: bytesSchema.nullable(),
  /** The download that this one retries. */
  retry_of: downloadIdSchema.nullable(),
});
export type Download = z.infer<typeof downloadSchema>;

/** A relayed download: the queen adds its own id. */
export const relayedDownloadSchema = downloadSchema.extend({ orchestrator_id: z.string() });

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;

export const downloadListQuerySchema = z.object({
  status: downloadStatusSchema.optional(),
  limit: z.coerce.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT),
  /** The `next_cursor` of the previous page: a download id. */
  cursor: downloadIdSchema.optional(),
});

export const downloadListSchema = z.object({
  downloads: z.array(downloadSchema),
  next_cursor: downloadIdSchema.nullable(),
});

/** The body of `PATCH …/downloads/:id`. */
export const downloadPatchSchema = z.strictObject({
  max_bandwidth: bandwidthSchema.optional(),
  priority: prioritySchema.optional(),
});
export type DownloadPatch = z.infer<typeof downloadPatchSchema>;

/** Which ended downloads to remove from the history. */
export const downloadClearQuerySchema = z.object({
  status: downloadStatusSchema.optional(),
  /** A duration: only downloads that ended longer ago. */
  older_than: z
    .string()
    .transform((value, context) => {
      try {
        return parseDuration(value);
      } catch (error) {
        context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'not a duration' });
        return z.NEVER;
      }
    })
    .optional(),
});

export const removedSchema = z.object({ removed: z.int().nonnegative() });

/** What a cancel did to one download. */
export const cancelReceiptSchema = z.object({
  download_id: downloadIdSchema,
  hive_id: hiveIdSchema,
  state: z.enum(['stopped', 'ended', 'unreachable']),
  partial: partialSchema.nullable(),
  bytes: bytesSchema,
});
export type CancelReceipt = z.infer<typeof cancelReceiptSchema>;
