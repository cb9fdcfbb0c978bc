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
  free_bytes: bytesSchema,
  /** Where files of other sources than a hub are written; left out where that is the same file system. */
  other_free_bytes: bytesSchema.optional(),
  /** The settings in force; secrets are left out. */
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

/** What can be changed while the hive runs. */
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

/** What a hive says of itself each second. */
export const hiveHeartbeatSchema = z.object({
  hive_id: hiveIdSchema,
  hive_url: z.url(),
  version: z.string(),
  at: timestampSchema,
  /** Downloads by status. */
  downloads: countsSchema,
  speed_bps: bytesSchema,
  free_bytes: bytesSchema,
  /** Where files of other sources than a hub are written; left out where that is the same file system. */
  other_free_bytes: bytesSchema.optional(),
});
export type HiveHeartbeat = z.infer<typeof hiveHeartbeatSchema>;

/** The same, passed on by a queen. */
export const relayedHeartbeatSchema = hiveHeartbeatSchema.extend({ orchestrator_id: z.string() });

/** One hive as the queen sees it. */
export const hiveSchema = z.object({
  hive_id: hiveIdSchema,
  hive_url: z.url(),
  online: z.boolean(),
  last_seen_at: timestampSchema.nullable(),
  version: z.string().nullable(),
  active_downloads: z.int().nonnegative(),
  /** Downloads by status, as the hive last said; null before it said so. */
  downloads: countsSchema.nullable(),
  speed_bps: bytesSchema,
  free_bytes: bytesSchema.nullable(),
  /** Where files of other sources than a hub are written; left out where that is the same file system. */
  other_free_bytes: bytesSchema.optional(),
  /** The bandwidth limit that the hive has at the moment; null where it has none, or is not known yet. */
  max_bandwidth: bytesSchema.nullable(),
  /** Null where it is not known yet. */
  max_concurrent_downloads: z.int().positive().nullable(),
  /** Why the queen cannot follow it; null where she can. */
  problem: z.string().nullable(),
});
export type Hive = z.infer<typeof hiveSchema>;

export const hiveListSchema = z.object({ hives: z.array(hiveSchema) });

/** The body of `POST /v1/hive/ready`. */
export const hiveReadySchema = z.strictObject({
  hive_id: hiveIdSchema,
  // It is listed to everybody who may ask, so no name or password may be in it.
  hive_url: z.url({ protocol: /^https?$/ }).refine((url) => !hasCredentials(url), 'a URL without credentials'),
});
export type HiveReady = z.infer<typeof hiveReadySchema>;

function hasCredentials(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && (url.username !== '' || url.password !== '');
}
