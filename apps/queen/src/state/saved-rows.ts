import {
  type DownloadId,
  downloadIdSchema,
  hiveIdSchema,
  jobIdSchema,
  jobSchema,
  partialChoiceSchema,
} from '@rbee/contract';
import { z } from 'zod';

const bandwidthSchema = z.number().positive().nullable();

const hiveSchema = z.object({
  hive_id: hiveIdSchema,
  hive_url: z.url({ protocol: /^https?$/ }),
  /** Unix milliseconds; null when it was never seen. */
  last_seen_ms: z.int().nonnegative().nullable(),
});
export type KeptHive = Readonly<z.infer<typeof hiveSchema>>;

const limitsSchema = z.object({
  /** Limits requested at the queen, if any. */
  wanted: z.object({
    max_bandwidth: bandwidthSchema.exactOptional(),
    max_concurrent_downloads: z.int().positive().exactOptional(),
  }),
  /** The hive's own limit. */
  own: bandwidthSchema,
  /** The limit that the queen sent last; two while the response to the second is not known. */
  given: z.array(bandwidthSchema).readonly(),
});
/** The limits of a hive. Bandwidths are bytes per second, null is unlimited. */
export type KeptLimits = Readonly<z.infer<typeof limitsSchema>>;

const routeSchema = z.object({
  /** Digest of the request, to recognise a repeat. */
  request: z.string(),
  /** Whether the response lists the downloads. */
  many: z.boolean(),
  why: z.string(),
  legs: z.array(z.object({ hive_id: hiveIdSchema, refusal: jobSchema.shape.error })),
});
/** How a job was routed to hives. */
export type KeptRoute = Readonly<z.infer<typeof routeSchema>>;

const cancelSchema = z.object({
  id: z.union([jobIdSchema, downloadIdSchema]),
  hive_id: hiveIdSchema,
  partial: partialChoiceSchema,
});
/** A cancel of a job or a download that has not reached its hive. */
export type KeptCancel = Readonly<z.infer<typeof cancelSchema>>;

const placementSchema = z.object({ download_id: downloadIdSchema, hive_id: hiveIdSchema, ended: z.int() });
export interface KeptPlacement {
  readonly download_id: DownloadId;
  readonly hive_id: string;
}

type Row = Readonly<Record<string, unknown>>;

// Each of these throws where the row is not what this version writes.

export const readHive = (row: Row): KeptHive => hiveSchema.parse(row);
export const readLimits = (row: Row): [string, KeptLimits] => [
  hiveIdSchema.parse(row['hive_id']),
  limitsSchema.parse(JSON.parse(String(row['limits']))),
];
export const readRoute = (text: string): KeptRoute => routeSchema.parse(JSON.parse(text));
export const readCancel = (row: Row): KeptCancel => cancelSchema.parse(row);
export const readPlacement = (row: Row) => placementSchema.parse(row);

export const cancelRow = (id: string, hiveId: string): string => `cancel ${id} ${hiveId}`;
