import { z } from 'zod';
import { hiveIdSchema, modelIdSchema } from '../ids.ts';
import { errorCodeSchema } from './error-body.ts';
import { bytesSchema, failureSchema, timestampSchema } from './shared-schemas.ts';

/** Files of a repo that one response lists; `files_total` counts them all. */
export const MAX_REPO_FILES = 1_000;
export const MAX_REPO_CHOICES = 200;
export const MAX_SEARCH_LIMIT = 100;
const DEFAULT_SEARCH_LIMIT = 20;
const MAX_SEARCH_CHARACTERS = 200;
/** As long as the longest ref. */
const MAX_REF_CHARACTERS = 8_192;

export const repoQuerySchema = z.object({ ref: z.string().min(1).max(MAX_REF_CHARACTERS) });
export const fleetRepoQuerySchema = repoQuerySchema.extend({ hive_id: hiveIdSchema.optional() });

export const searchQuerySchema = z.object({
  q: z.string().trim().min(1).max(MAX_SEARCH_CHARACTERS),
  limit: z.coerce.number().int().min(1).max(MAX_SEARCH_LIMIT).default(DEFAULT_SEARCH_LIMIT),
});

const repoFileSchema = z.object({
  path: z.string(),
  /** null where the hub does not say. */
  bytes: bytesSchema.nullable(),
  sha256: z.string().nullable(),
  /** Bytes that are already on disk, complete or as a partial file. */
  present_bytes: bytesSchema,
  /** `model`: the weights of a choice; `projector` and `sidecar` go with a model. */
  kind: z.enum(['model', 'projector', 'sidecar', 'other']),
  /** The name of the choice whose weights it has; null where it has none. */
  choice: z.string().nullable(),
  /** Why it cannot be stored; null for a name like any other. */
  problem: z.string().nullable(),
});
export type RepoFile = z.infer<typeof repoFileSchema>;

/** What can be downloaded of a repo: one quantisation with all its shards, or the one model there is. */
const repoChoiceSchema = z.object({
  /** The quantisation, or the name of the file or set. */
  name: z.string(),
  quantisation: z.string().nullable(),
  /** What to request. */
  model_ref: z.string(),
  /** The id that the model has once it is stored. */
  model_id: modelIdSchema,
  /** Whether a download of the ref takes this one. */
  chosen: z.boolean(),
  files: z.int().positive(),
  /** The projector that comes with it. */
  projector: z.string().nullable(),
  /** Of a single file. */
  sha256: z.string().nullable(),
  bytes: bytesSchema.nullable(),
  present_bytes: bytesSchema,
  needed_bytes: bytesSchema.nullable(),
  /** Whether it fits on the disk, including the reserve that stays free; null if unknown. */
  fits: z.boolean().nullable(),
});
export type RepoChoice = z.infer<typeof repoChoiceSchema>;

/** What a ref and its repo have, and how much of it a hive has. */
export const repoSchema = z.object({
  hive_id: hiveIdSchema,
  model_ref: z.string(),
  /** `org/repo`, or where else the ref leads. */
  repo: z.string(),
  revision: z.string(),
  commit: z.string(),
  /** Whether the hub asks for its terms to be accepted; null where it does not say. */
  gated: z.boolean().nullable(),
  private: z.boolean().nullable(),
  choices: z.array(repoChoiceSchema),
  /** Why a download of the ref would be refused; null if nothing is wrong. */
  problem: failureSchema.nullable(),
  files: z.array(repoFileSchema),
  files_total: z.int().nonnegative(),
  /** All files; null where the size of one is not known. */
  bytes: bytesSchema.nullable(),
  free_bytes: bytesSchema.nullable(),
});
export type Repo = z.infer<typeof repoSchema>;

/** How much of a choice one hive of a fleet has. */
const choiceAtHiveSchema = z.object({
  hive_id: hiveIdSchema,
  on_disk: z.enum(['complete', 'partial', 'none', 'unknown']),
  /** null if unknown. */
  present_bytes: bytesSchema.nullable(),
  fits: z.boolean().nullable(),
});
export type ChoiceAtHive = z.infer<typeof choiceAtHiveSchema>;

const fleetProblemSchema = z.object({ hive_id: hiveIdSchema, code: errorCodeSchema, message: z.string() });

export const fleetRepoSchema = repoSchema.extend({
  choices: z.array(repoChoiceSchema.extend({ hives: z.array(choiceAtHiveSchema) })),
  /** Hives that could not be asked. */
  problems: z.array(fleetProblemSchema),
});
export type FleetRepo = z.infer<typeof fleetRepoSchema>;

const foundModelSchema = z.object({
  /** `org/repo`. */
  repo: z.string(),
  model_ref: z.string(),
  downloads: z.int().nonnegative().nullable(),
  likes: z.int().nonnegative().nullable(),
  parameters: z.int().nonnegative().nullable(),
  /** About the size of what is downloaded by default, worked out from the parameters; null where the hub does not say. */
  bytes: bytesSchema.nullable(),
  /** Of its GGUF files. */
  quantisations: z.array(z.string()),
  /** What the model is for, such as `text-generation`. */
  task: z.string().nullable(),
  gated: z.boolean().nullable(),
  private: z.boolean().nullable(),
  modified_at: timestampSchema.nullable(),
});
export type FoundModel = z.infer<typeof foundModelSchema>;

/** Models of the hub that match some words, the most downloaded first. */
export const foundModelsSchema = z.object({ hive_id: hiveIdSchema, models: z.array(foundModelSchema) });
export type FoundModels = z.infer<typeof foundModelsSchema>;
