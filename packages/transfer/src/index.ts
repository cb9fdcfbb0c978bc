export { beforeAbort } from './before-abort.ts';
export { type ConnectionBudget, createConnectionBudget } from './connection-budget.ts';
export { type DigestFileOptions, digestFile } from './digest-file.ts';
export { discardPartial } from './discard-partial.ts';
export { errorOfDisk } from './disk-fault.ts';
export { createDiskRoom, type DiskRoom, roomNeeded } from './disk-room.ts';
export type {
  FileRequest,
  Location,
  TransferNotice,
  TransferOptions,
  TransferResult,
  TransferState,
} from './file-request.ts';
export { errorOfConnection, errorOfStatus } from './http-fault.ts';
export { inspectPartial, type PartialContent } from './inspect-partial.ts';
export { createLimiter, type Limiter } from './limiter.ts';
export { nextTurn } from './next-turn.ts';
export { createReadPool, type ReadPool } from './read-pool.ts';
export { isRedirect, maxRedirects, nextHop } from './redirect.ts';
export {
  type Attempt,
  type Failures,
  type Retry,
  type RetryDecision,
  type RetryOptions,
  type RetryRule,
  retryDelay,
  withRetry,
} from './retry.ts';
export { transferFile } from './transfer.ts';
export { type Volume, volumeOf } from './volume.ts';
