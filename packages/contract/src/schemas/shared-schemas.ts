import { z } from 'zod';
import type { RbeeError } from '../error.ts';
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
  /** Facts for a program. */
  details: z.record(z.string(), z.unknown()).optional(),
});
export type Failure = z.infer<typeof failureSchema>;

/** The part of an error that outlives it. */
export function toFailure({ code, message, hint, details }: RbeeError): Failure {
  return {
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details: { ...details } }),
  };
}

/** Whether a stopped download left partial files on disk. */
export const partialSchema = z.enum(['kept', 'discarded']);
export type Partial = z.infer<typeof partialSchema>;

export const partialChoiceSchema = z.enum(['keep', 'discard']);
export type PartialChoice = z.infer<typeof partialChoiceSchema>;
