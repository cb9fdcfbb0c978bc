import { z } from 'zod';
import { modelIdSchema } from './ids.ts';
import { bytesSchema, timestampSchema } from './wire.ts';

/** One model of a hive's store. */
export const modelSchema = z.object({
  model_id: modelIdSchema,
  /** The pinned ref: `hf:org/repo@<commit>::file=…`. */
  model_ref: z.string(),
  bytes: bytesSchema,
  files: z.int().positive(),
  path: z.string(),
  modified_at: timestampSchema,
});
export type Model = z.infer<typeof modelSchema>;

export const modelListSchema = z.object({ models: z.array(modelSchema) });
