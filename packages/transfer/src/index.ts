export { abortable } from './abort.ts';
export { type ConnectionBudget, createConnectionBudget } from './connection-budget.ts';
export { type DigestFileOptions, digestFile } from './digest/digest.ts';
export { errorOfDisk } from './disk/disk-error.ts';
export { createDiskSpace, type DiskSpace, freeBytesIn, type Volume, volumeOf } from './disk/disk-space.ts';
export { makeFolder, syncFolder } from './disk/sync-folder.ts';
export { errorOfConnection, errorOfStatus } from './http/http-error.ts';
export { createReadPool, type ReadPool } from './http/read-pool.ts';
export { errorOfPage, isStrayPage } from './http/web-page.ts';
export { createLimiter, type Limiter } from './limiter.ts';
export { isOutage } from './outage.ts';
export { claimPrefix } from './partial/claim-prefix.ts';
export { readBootId } from './partial/journal.ts';
export { olderPathOf } from './partial/older-names.ts';
export { discardPartial, inspectPartial, type PartialContent } from './partial/stored-partial.ts';
export {
  type Attempt,
  attemptText,
  type Failures,
  type Retry,
  type RetryDecision,
  type RetryOptions,
  type RetryRule,
  retryDelay,
  waitForShortages,
  withRetry,
} from './retry.ts';
export { transferFile } from './transfer.ts';
export type {
  FileRequest,
  Location,
  TransferNotice,
  TransferOptions,
  TransferResult,
  TransferState,
} from './types.ts';
