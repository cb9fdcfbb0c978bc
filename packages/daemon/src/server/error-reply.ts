import { type ErrorCode, OPERATION_NAMES, RbeeError, toErrorBody, toRbeeError } from '@rbee/contract';
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaValidationError,
} from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The code for an unknown id; a malformed id is unknown too. */
    missing?: ErrorCode;
  }
}

const DEFAULT_RETRY_AFTER_SECS = 1;
/** A validator's message may repeat everything that the client sent. */
const MAX_PROBLEM_CHARS = 500;
const MAX_PROBLEMS = 10;
const FIELD_NAME = /^[a-z][a-z_]{0,31}$/;

/** Sends every error in the contract's envelope, and logs bugs. */
export function installErrorReplies(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const failure = toReply(error, request);
    if (failure.code === 'INTERNAL') request.log.error({ err: error }, 'request failed');
    return sendError(reply, request, failure);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/\?.*$/s, '');
    const allowed = methodsOf(app, path);
    if (allowed.length === 0) {
      const hint = 'GET /openapi.json lists the routes';
      return sendError(reply, request, new RbeeError('ROUTE_NOT_FOUND', 'route not found', { hint }));
    }
    reply.header('allow', allowed.join(', '));
    const message = `this route supports only ${allowed.join(', ')}`;
    return sendError(reply, request, new RbeeError('METHOD_NOT_ALLOWED', message));
  });
}

/** Sends the error of a request that the router refuses before it has a route. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const failure = new RbeeError('REQUEST_INVALID', 'the percent-encoding of the path is not valid UTF-8');
  void sendError(reply, request, error.code === 'FST_ERR_BAD_URL' ? failure : toReply(error, request));
}

function sendError(reply: FastifyReply, request: FastifyRequest, error: RbeeError) {
  reply.header('x-request-id', request.id);
  if (error.httpStatus === 401) reply.header('www-authenticate', 'Bearer');
  if (error.httpStatus === 429) {
    const seconds = error.retryAfterMs === undefined ? DEFAULT_RETRY_AFTER_SECS : Math.ceil(error.retryAfterMs / 1000);
    reply.header('retry-after', String(seconds));
  }
  return reply.code(error.httpStatus).type('application/json').send(toErrorBody(error, request.id));
}

function toReply(error: FastifyError, request: FastifyRequest): RbeeError {
  if (error instanceof RbeeError) return error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const missing = request.routeOptions.config.missing;
    if (error.validationContext === 'params' && missing !== undefined) {
      return new RbeeError(missing, 'unknown id', { hint: 'the lists show all ids' });
    }
    if (error.validation.some((issue) => issue.instancePath === '/operation')) {
      return new RbeeError('OPERATION_UNKNOWN', 'unknown operation', {
        hint: `use one of ${OPERATION_NAMES.join(', ')}`,
      });
    }
    const problems = error.validation
      .slice(0, MAX_PROBLEMS)
      .map((issue) => `${issue.instancePath.slice(1) || 'value'}: ${problemOf(issue)}`.slice(0, MAX_PROBLEM_CHARS));
    return new RbeeError('REQUEST_INVALID', `invalid ${error.validationContext ?? 'request'}: ${problems.join('; ')}`);
  }
  switch (error.statusCode) {
    case 413:
      return new RbeeError('PAYLOAD_TOO_LARGE', 'the body exceeds 1 MiB');
    case 415:
      return new RbeeError('MEDIA_TYPE_UNSUPPORTED', 'the body must be application/json');
    case 400:
      return new RbeeError('REQUEST_INVALID', 'the body is not valid JSON');
    default:
      return toRbeeError(error);
  }
}

/** The problem of one field. An unknown field is named only if it looks like a typo: it may contain anything. */
function problemOf({ keyword, message, params }: FastifySchemaValidationError): string {
  if (keyword !== 'unrecognized_keys') return message ?? 'invalid';
  const keys: unknown[] = Array.isArray(params['keys']) ? params['keys'] : [];
  const names = keys.filter((key) => typeof key === 'string' && FIELD_NAME.test(key));
  return `unknown field${names.length === 0 ? '' : `: ${names.join(', ')}`}`;
}

const METHODS = ['GET', 'POST', 'PATCH', 'DELETE'] as const;

function methodsOf(app: FastifyInstance, url: string): string[] {
  return METHODS.filter((method) => app.findRoute({ method, url }) !== null);
}
