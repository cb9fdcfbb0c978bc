import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';

/** What ids look like, for programs that load no schemas. */
export const ID_PATTERNS = {
  job: /^job-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  download: /^dl-[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  model: /^m-[0-9a-f]{12}$/,
  hive: /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$/,
} as const;

/** `job-` + UUIDv4. */
export const jobIdSchema = z.string().regex(ID_PATTERNS.job).brand<'JobId'>();

/** `dl-` + UUIDv7: unique in the fleet, sorts by creation time. */
export const downloadIdSchema = z.string().regex(ID_PATTERNS.download).brand<'DownloadId'>();

/** `m-` + 12 hex digits of the SHA-256 of the pinned ref. */
export const modelIdSchema = z.string().regex(ID_PATTERNS.model).brand<'ModelId'>();

/** A daemon's name in the fleet. */
export const hiveIdSchema = z.string().regex(ID_PATTERNS.hive, 'a name of letters, digits, ".", "_" and "-"');

export type JobId = z.infer<typeof jobIdSchema>;
export type DownloadId = z.infer<typeof downloadIdSchema>;
export type ModelId = z.infer<typeof modelIdSchema>;

export function newJobId(): JobId {
  return `job-${randomUUID()}` as JobId;
}

/** A UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then random bits. */
export function newDownloadId(nowMs: number = Date.now()): DownloadId {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = bytes.toString('hex');
  const groups = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return `dl-${groups.join('-')}` as DownloadId;
}

/** The id of a model, from its pinned ref (`hf:org/repo@<commit>::file=…`). */
export function modelIdOf(pinnedRef: string): ModelId {
  return `m-${createHash('sha256').update(pinnedRef).digest('hex').slice(0, 12)}` as ModelId;
}
