import { z } from 'zod';
import { bandwidthSchema, removedSchema } from './download.ts';
import { errorCodeSchema } from './error-body.ts';
import { hiveIdSchema } from './ids.ts';
import { modelDetailSchema, modelRemovedSchema, modelSchema, partialFileSchema } from './model.ts';
import { bytesSchema } from './shared-schemas.ts';

/** What only a queen answers: the answers of several hives, each with the name of its hive. */

const ofHive = { hive_id: hiveIdSchema };

/** A hive that could not do its part; the others have done theirs. */
const hiveProblemSchema = z.object({ ...ofHive, code: errorCodeSchema, message: z.string() });
export type HiveProblem = z.infer<typeof hiveProblemSchema>;

export const fleetRemovedSchema = removedSchema.extend({ problems: z.array(hiveProblemSchema) });

/** What can be changed while the queen runs. */
export const queenSettingsSchema = z.object({
  /** Bytes per second over all hives; null is unlimited. */
  max_bandwidth: bytesSchema.nullable(),
});

export const queenSettingsPatchSchema = z.strictObject({ max_bandwidth: bandwidthSchema.optional() });

export const fleetModelListSchema = z.object({
  models: z.array(modelSchema.extend(ofHive)),
  partials: z.array(partialFileSchema.extend(ofHive)),
  /** `path` is null where the hive itself could not be asked. */
  problems: z.array(z.object({ ...ofHive, path: z.string().nullable(), message: z.string() })),
});
export type FleetModelList = z.infer<typeof fleetModelListSchema>;

export const fleetModelDetailSchema = modelDetailSchema.extend(ofHive);

export const fleetModelRemovedSchema = modelRemovedSchema.extend(ofHive);

/** Which hive is meant, where several hold a model. */
export const hiveQuerySchema = z.object({ hive_id: hiveIdSchema.optional() });
