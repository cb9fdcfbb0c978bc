import { z } from 'zod';
import { hiveIdSchema } from '../ids.ts';
import { bandwidthSchema, downloadListSchema, relayedDownloadSchema, removedSchema } from './download.ts';
import { errorCodeSchema } from './error-body.ts';
import { modelDetailSchema, modelRemovedSchema, modelSchema, partialFileSchema } from './model.ts';
import { bytesSchema } from './shared-schemas.ts';

/** Responses that only a queen sends: results of several hives, each with its hive's id. */

const ofHive = { hive_id: hiveIdSchema };

/** A hive that failed; the other hives succeeded. */
const hiveProblemSchema = z.object({ ...ofHive, code: errorCodeSchema, message: z.string() });
export type HiveProblem = z.infer<typeof hiveProblemSchema>;

export const fleetDownloadListSchema = downloadListSchema.extend({
  downloads: z.array(relayedDownloadSchema),
  /** Hives whose downloads are missing, or as the queen last saw them. */
  problems: z.array(hiveProblemSchema),
});
export type FleetDownloadList = z.infer<typeof fleetDownloadListSchema>;

/** A hive that was forgotten. */
export const hiveRemovedSchema = z.object({
  ...ofHive,
  /** Downloads that had not ended, and whose streams ended because nobody can say how they ended. */
  lost_downloads: z.int().nonnegative(),
});
export type HiveRemoved = z.infer<typeof hiveRemovedSchema>;

export const fleetRemovedSchema = removedSchema.extend({ problems: z.array(hiveProblemSchema) });

/** Settings that can be changed while the queen runs. */
export const queenSettingsSchema = z.object({
  /** Bytes per second over all hives; null is unlimited. */
  max_bandwidth: bytesSchema.nullable(),
});

export const queenSettingsPatchSchema = z.strictObject({ max_bandwidth: bandwidthSchema.optional() });

export const fleetModelListSchema = z.object({
  models: z.array(modelSchema.extend(ofHive)),
  partials: z.array(partialFileSchema.extend(ofHive)),
  /** `path` is null if the hive itself could not be reached. */
  problems: z.array(z.object({ ...ofHive, path: z.string().nullable(), message: z.string() })),
});
export type FleetModelList = z.infer<typeof fleetModelListSchema>;

export const fleetModelDetailSchema = modelDetailSchema.extend(ofHive);

export const fleetModelRemovedSchema = modelRemovedSchema.extend(ofHive);

/** Selects a hive when several have the model. */
export const hiveQuerySchema = z.object({ hive_id: hiveIdSchema.optional() });
