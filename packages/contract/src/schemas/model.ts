import { z } from 'zod';
import { modelIdSchema } from '../ids.ts';
import { errorCodeSchema } from './error-body.ts';
import { bytesSchema, timestampSchema } from './shared-schemas.ts';

/** A complete model of a hive's store: all its files are present and verified. */
export const modelSchema = z.object({
  model_id: modelIdSchema,
  /** The pinned ref: `hf:org/repo@<commit>::file=…`. */
  model_ref: z.string(),
  bytes: bytesSchema,
  files: z.int().positive(),
  /** Of a single file, in lower-case hex; null for several files, or if unknown. Older hives leave it out. */
  sha256: z.string().nullable().optional(),
  /** The file, or the folder of several files. */
  path: z.string(),
  modified_at: timestampSchema,
});
export type Model = z.infer<typeof modelSchema>;

/** The downloaded part of an incomplete file. */
export const partialFileSchema = z.object({
  path: z.string(),
  /** `hf:org/repo`, or the origin of its URL; null if unknown. */
  origin: z.string().nullable(),
  bytes: bytesSchema,
  total: bytesSchema.nullable(),
  modified_at: timestampSchema,
});
export type PartialFile = z.infer<typeof partialFileSchema>;

/** Something in the store that cannot be read; everything else is still listed. */
const storeProblemSchema = z.object({
  path: z.string(),
  message: z.string(),
  /** The model that lacks files, if it is one. Older hives leave it out. */
  model_id: modelIdSchema.optional(),
  model_ref: z.string().optional(),
});
export type StoreProblem = z.infer<typeof storeProblemSchema>;

export const modelListSchema = z.object({
  models: z.array(modelSchema),
  partials: z.array(partialFileSchema),
  problems: z.array(storeProblemSchema),
});
export type ModelList = z.infer<typeof modelListSchema>;

/** Metadata of a model from the header of its GGUF file. */
export const ggufSchema = z.object({
  architecture: z.string().nullable(),
  name: z.string().nullable(),
  parameters: z.int().nonnegative().nullable(),
  /** Such as `Q4_K_M`. */
  quantisation: z.string().nullable(),
  context_length: z.int().nonnegative().nullable(),
});
export type Gguf = z.infer<typeof ggufSchema>;

const modelFileSchema = z.object({
  /** Path inside the repo. */
  path: z.string(),
  bytes: bytesSchema,
  /** null if the source has no SHA-256 for it. */
  sha256: z.string().nullable(),
  /** Its path on the hive's machine. */
  stored_at: z.string(),
});

export const modelDetailSchema = modelSchema.extend({
  file_list: z.array(modelFileSchema),
  gguf: ggufSchema.nullable(),
});
export type ModelDetail = z.infer<typeof modelDetailSchema>;

const plannedFileSchema = z.object({
  path: z.string(),
  bytes: bytesSchema.nullable(),
  sha256: z.string().nullable(),
  /** Bytes that are already on disk, complete or as a partial file. */
  present_bytes: bytesSchema,
});

/** The plan of a download: what it would do. */
export const modelPlanSchema = z.object({
  model_ref: z.string(),
  /** The ref with its revision pinned. */
  pinned_ref: z.string(),
  files: z.array(plannedFileSchema),
  total: bytesSchema.nullable(),
  present_bytes: bytesSchema,
  /** null if the size of a file is not known. */
  needed_bytes: bytesSchema.nullable(),
  /** null if the file system does not tell. */
  free_bytes: bytesSchema.nullable(),
  /** Whether it fits on the disk, including the reserve that stays free. */
  fits: z.boolean(),
  gguf: ggufSchema.nullable(),
});
export type ModelPlan = z.infer<typeof modelPlanSchema>;

export const modelRemovedSchema = z.object({
  model_id: modelIdSchema,
  model_ref: z.string(),
  freed_bytes: bytesSchema,
  /** Bytes of files that stay because another model uses them. */
  shared_bytes: bytesSchema,
});
export type ModelRemoved = z.infer<typeof modelRemovedSchema>;

const verifiedModelSchema = z.object({
  model_id: modelIdSchema,
  model_ref: z.string(),
  ok: z.boolean(),
  files: z.int().nonnegative(),
  bytes: bytesSchema,
  /** What is wrong. A damaged file is moved aside, so that the next download fetches it again. */
  problems: z.array(z.object({ path: z.string(), code: errorCodeSchema, message: z.string() })),
});

export const modelVerifiedSchema = z.object({ models: z.array(verifiedModelSchema) });
export type ModelVerified = z.infer<typeof modelVerifiedSchema>;

const prunedSchema = z.object({
  path: z.string(),
  kind: z.enum(['partial', 'blob', 'damaged', 'link']),
  bytes: bytesSchema,
  modified_at: timestampSchema,
});

/** A file that a prune leaves, and why. */
const keptFileSchema = prunedSchema.extend({ reason: z.enum(['recent', 'in_use']) });
export type KeptFile = z.infer<typeof keptFileSchema>;

export const modelsPrunedSchema = z.object({
  dry_run: z.boolean(),
  removed: z.array(prunedSchema),
  freed_bytes: bytesSchema,
  /** Partials that stay: they are recent, or a download may need them. Older hives leave it out. */
  kept: z.array(keptFileSchema).optional(),
});
export type ModelsPruned = z.infer<typeof modelsPrunedSchema>;

/** Compares models or partials so that the last modified one comes first. */
export function newestFirst(a: { readonly modified_at: string }, b: { readonly modified_at: string }): number {
  return b.modified_at.localeCompare(a.modified_at);
}
