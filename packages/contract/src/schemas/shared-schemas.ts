import { z } from 'zod';
import { errorCodeSchema } from './error-body.ts';

/** A timestamp: RFC 3339 in UTC with milliseconds. */
export const timestampSchema = z.iso.datetime();
/** A byte count. */
export const bytesSchema = z.int().nonnegative();
/** A duration in seconds, to the millisecond. */
export const secondsSchema = z.number().nonnegative();

/** Why something failed, as part of a snapshot. */
export const failureSchema = z.object({
  code: errorCodeSchema,
  message: z.string(),
  hint: z.string().optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** Whether a stopped download left partial files on disk. */
export const partialSchema = z.enum(['kept', 'discarded']);
export type Partial = z.infer<typeof partialSchema>;

export const partialChoiceSchema = z.enum(['keep', 'discard']);
export type PartialChoice = z.infer<typeof partialChoiceSchema>;
