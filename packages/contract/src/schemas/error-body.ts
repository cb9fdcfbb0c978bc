import { z } from 'zod';
import { ERROR_CODES, type ErrorCode, RbeeError } from '../error.ts';

export const errorCodeSchema = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]);

/** The body of every error response. */
export const errorBodySchema = z.object({
  error: z.object({
    code: errorCodeSchema,
    message: z.string(),
    hint: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
    request_id: z.string(),
  }),
});

export type ErrorBody = z.infer<typeof errorBodySchema>;

/** The response body of an error. */
export function toErrorBody(error: RbeeError, requestId: string): ErrorBody {
  return {
    error: {
      code: error.code,
      message: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
      ...(error.details === undefined ? {} : { details: error.details }),
      request_id: requestId,
    },
  };
}

/** The error in a response body; null if the body is not our envelope. */
export function fromErrorBody(body: unknown): RbeeError | null {
  const parsed = errorBodySchema.safeParse(body);
  if (!parsed.success) return null;
  const { code, message, hint, details } = parsed.data.error;
  return new RbeeError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  });
}
