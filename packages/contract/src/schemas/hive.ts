import { z } from 'zod';
import { hiveIdSchema } from '../ids.ts';
import { bandwidthSchema, downloadStatusSchema } from './download.ts';
import { bytesSchema, secondsSchema, timestampSchema } from './shared-schemas.ts';

export const healthSchema = z.object({ status: z.literal('ok') });

const settingsInForceSchema = z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()]));

export const hiveInfoSchema = z.object({
  hive_id: hiveIdSchema,
  version: z.string(),
  uptime_secs: secondsSchema,
  models_dir: z.string(),
  /** null if the file system does not tell. */
  free_bytes: bytesSchema.nullable(),
  /** For files that do not come from a hub; left out if they are on the same file system. */
  other_free_bytes: bytesSchema.optional(),
  /** The current settings without secrets. */
  settings: settingsInForceSchema,
});
export type HiveInfo = z.infer<typeof hiveInfoSchema>;

export const queenInfoSchema = z.object({
  queen_id: z.string(),
  version: z.string(),
  uptime_secs: secondsSchema,
  hives: z.int().nonnegative(),
  hives_online: z.int().nonnegative(),
  settings: settingsInForceSchema,
});
export type QueenInfo = z.infer<typeof queenInfoSchema>;

/** Settings that can be changed while the hive runs. */
export const hiveSettingsSchema = z.object({
  /** Bytes per second over all downloads; null is unlimited. */
  max_bandwidth: bytesSchema.nullable(),
  max_concurrent_downloads: z.int().positive(),
});
export type RunTimeSettings = z.infer<typeof hiveSettingsSchema>;

export const hiveSettingsPatchSchema = z.strictObject({
  max_bandwidth: bandwidthSchema.optional(),
  max_concurrent_downloads: z.int().min(1).max(1_000).optional(),
});
export type RunTimeSettingsPatch = z.infer<typeof hiveSettingsPatchSchema>;

const countsSchema = z.record(downloadStatusSchema, z.int().nonnegative());

/** What a hive reports every second. */
export const hiveHeartbeatSchema = z.object({
  hive_id: hiveIdSchema,
  hive_url: z.url(),
  version: z.string(),
  at: timestampSchema,
  /** Downloads by status. */
  downloads: countsSchema,
  speed_bps: bytesSchema,
  /** null if the file system does not tell. */
  free_bytes: bytesSchema.nullable(),
  /** For files that do not come from a hub; left out if they are on the same file system. */
  other_free_bytes: bytesSchema.optional(),
  /** The bandwidth limit in force, bytes per second over all downloads; null is unlimited. Earlier versions leave it out. */
  max_bandwidth: bytesSchema.nullable().optional(),
  /** It is stopping: it takes no more jobs, and its downloads resume when it starts again. */
  draining: z.boolean().optional(),
});
export type HiveHeartbeat = z.infer<typeof hiveHeartbeatSchema>;

/** The same, relayed by a queen. */
export const relayedHeartbeatSchema = hiveHeartbeatSchema.extend({ orchestrator_id: z.string() });

/** A hive as the queen sees it. */
export const hiveSchema = z.object({
  hive_id: hiveIdSchema,
  hive_url: z.url(),
  online: z.boolean(),
  last_seen_at: timestampSchema.nullable(),
  version: z.string().nullable(),
  active_downloads: z.int().nonnegative(),
  /** Downloads by status from the last heartbeat; null before the first one. */
  downloads: countsSchema.nullable(),
  speed_bps: bytesSchema,
  free_bytes: bytesSchema.nullable(),
  /** For files that do not come from a hub; left out if they are on the same file system. */
  other_free_bytes: bytesSchema.optional(),
  /** The current bandwidth limit; null if unlimited or not known yet. */
  max_bandwidth: bytesSchema.nullable(),
  /** null if not known yet. */
  max_concurrent_downloads: z.int().positive().nullable(),
  /** Whether it has said that it is stopping: it takes no more jobs. Left out if not. */
  draining: z.boolean().optional(),
  /** Why the queen cannot follow it; null if it can. */
  problem: z.string().nullable(),
});
export type Hive = z.infer<typeof hiveSchema>;

export const hiveListSchema = z.object({ hives: z.array(hiveSchema) });

const MAX_URL_CHARS = 2_048;

/**
 * The address of a hive. Every client can list it, so it must not contain credentials; the queen appends the path of a
 * request, which a query or a fragment would swallow.
 */
export const hiveUrlSchema = z
  .url({ protocol: /^https?$/, error: 'an http or https URL' })
  .max(MAX_URL_CHARS)
  .refine((url) => !hasCredentials(url), 'a URL without credentials')
  .refine((url) => !/[?#]/.test(url), 'a URL without query and fragment');

/** The body of `POST /v1/hive/ready`. */
export const hiveReadySchema = z.strictObject({ hive_id: hiveIdSchema, hive_url: hiveUrlSchema });
export type HiveReady = z.infer<typeof hiveReadySchema>;

function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.username !== '' || url.password !== '');
}
