import { z } from 'zod';
import { downloadIdSchema, hiveIdSchema, jobIdSchema, modelIdSchema } from '../ids.ts';
import { bandwidthSchema, cancelReceiptSchema, downloadStatusSchema, prioritySchema } from './download.ts';
import { failureSchema, partialChoiceSchema, timestampSchema } from './shared-schemas.ts';

export const jobStateSchema = z.enum(['queued', 'running', 'completed', 'failed', 'cancelled']);
export type JobState = z.infer<typeof jobStateSchema>;

/** Fields that every operation accepts. */
const common = {
  /**
   * The id of the new job. A queen passes on the id of its own job, so that both levels use one id, and a request that is
   * sent twice starts one job.
   */
  job_id: jobIdSchema.optional(),
};

const globsSchema = z.array(z.string().min(1).max(512)).max(100);

const modelDownload = z.strictObject({
  ...common,
  operation: z.literal('model_download'),
  model: z.string(),
  /** The expected SHA-256 of the file: 64 hex digits. */
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, '64 hex digits')
    .optional(),
  /** Globs of files to include and exclude, in addition to the globs of the ref. */
  include: globsSchema.optional(),
  exclude: globsSchema.optional(),
  max_bandwidth: bandwidthSchema.optional(),
  priority: prioritySchema.optional(),
});
const modelPlan = z.strictObject({ ...common, operation: z.literal('model_plan'), model: z.string() });
const modelList = z.strictObject({ ...common, operation: z.literal('model_list') });
const modelGet = z.strictObject({ ...common, operation: z.literal('model_get'), id: modelIdSchema });
const modelDelete = z.strictObject({
  ...common,
  operation: z.literal('model_delete'),
  id: modelIdSchema,
  /** Reports what would be freed, and removes nothing. */
  dry_run: z.boolean().optional(),
  /** For a dry run: models that are removed before this one, so that files they share with it count once. */
  after: z.array(modelIdSchema).max(1_000).optional(),
});
const modelVerify = z.strictObject({
  ...common,
  operation: z.literal('model_verify'),
  /** All models by default. */
  id: modelIdSchema.optional(),
});
const modelPrune = z.strictObject({
  ...common,
  operation: z.literal('model_prune'),
  /** Reports what would be removed, and removes nothing. */
  dry_run: z.boolean().optional(),
  /** Only partials; the own ones of a hive at any age. */
  partials: z.boolean().optional(),
  /** For how long recent files stay, in place of 24 h. */
  min_age_secs: z.int().nonnegative().optional(),
  /** Only these files, of any age; other paths have no effect. */
  paths: z.array(z.string().min(1).max(8_192)).max(1_000).optional(),
});

/** The operations of a hive: the body of `POST /v1/jobs`. */
export const operationSchema = z.discriminatedUnion('operation', [
  modelDownload,
  modelPlan,
  modelList,
  modelGet,
  modelDelete,
  modelVerify,
  modelPrune,
]);
export type Operation = z.infer<typeof operationSchema>;
export type OperationName = Operation['operation'];

const hiveChoice = {
  hive_id: z.union([z.literal('*'), hiveIdSchema, z.array(hiveIdSchema).min(1).max(1000)]).optional(),
};

/** The operations of a queen: the same, with the hives to run them on. */
export const queenOperationSchema = z.discriminatedUnion('operation', [
  modelDownload.extend(hiveChoice),
  modelPlan.extend(hiveChoice),
  modelList.extend(hiveChoice),
  modelGet.extend(hiveChoice),
  modelDelete.extend(hiveChoice),
  modelVerify.extend(hiveChoice),
  modelPrune.extend(hiveChoice),
]);
export type QueenOperation = z.infer<typeof queenOperationSchema>;

export const OPERATION_NAMES: readonly OperationName[] = operationSchema.options.map(
  (option) => option.shape.operation.value,
);

const jobDownloadSchema = z.object({
  hive_id: hiveIdSchema,
  download_id: downloadIdSchema,
  download_sse_url: z.string(),
});
export type JobDownload = z.infer<typeof jobDownloadSchema>;

/** The response of `POST /v1/jobs`. URLs are paths on the same daemon. */
export const jobAcceptedSchema = z.object({
  job_id: jobIdSchema,
  sse_url: z.string(),
  download_id: downloadIdSchema.optional(),
  download_sse_url: z.string().optional(),
  /** Instead of the single download when a queen sent the operation to several hives. */
  downloads: z.array(jobDownloadSchema).optional(),
});
export type JobAccepted = z.infer<typeof jobAcceptedSchema>;

export const jobSchema = z.object({
  job_id: jobIdSchema,
  operation: z.string(),
  state: jobStateSchema,
  model: z.string().nullable(),
  sse_url: z.string(),
  created_at: timestampSchema,
  ended_at: timestampSchema.nullable(),
  downloads: z.array(jobDownloadSchema),
  error: failureSchema.nullable(),
});
export type Job = z.infer<typeof jobSchema>;

export const jobListSchema = z.object({ jobs: z.array(jobSchema) });

export const cancelQuerySchema = z.object({ partial: partialChoiceSchema.default('keep') });

export const cancelledJobSchema = z.object({
  job_id: jobIdSchema,
  status: jobStateSchema,
  downloads: z.array(cancelReceiptSchema),
});
export type CancelledJob = z.infer<typeof cancelledJobSchema>;

/** What the cancel of a download did, whatever number of jobs waited for it. */
export const cancelledDownloadSchema = z.object({
  download_id: downloadIdSchema,
  status: downloadStatusSchema,
  /** How many jobs were cancelled; 0 if it had already ended. */
  jobs: z.int().nonnegative(),
  downloads: z.array(cancelReceiptSchema),
});
export type CancelledDownload = z.infer<typeof cancelledDownloadSchema>;
