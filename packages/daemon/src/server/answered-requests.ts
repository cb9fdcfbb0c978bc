import type { FastifyInstance, FastifyRequest } from 'fastify';
import { withoutLogFields } from '../logging/log-context.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answers a stream of events, which lasts as long as its reader wants. */
    stream?: true;
    /** Asked again and again by programs. */
    routine?: true;
  }
  interface FastifyInstance {
    /** Whom to tell of each request that is over; see {@link onAnswered}. */
    answeredListeners: ((answered: Answered) => void)[];
  }
}

/** A request that is over. */
export interface Answered {
  readonly request: FastifyRequest;
  /** null where the client left before there was an answer. */
  readonly status: number | null;
  readonly durationMs: number;
}

/**
 * Has every request watched from its first moment. To be called before anything else that looks at requests: what a hook
 * refuses, the hooks behind it never see.
 */
export function watchRequests(app: FastifyInstance): void {
  app.decorate('answeredListeners', []);
  app.addHook('onRequest', async (request, reply) => {
    const begunAtMs = performance.now();
    reply.raw.once('close', () => {
      const status = reply.raw.headersSent ? reply.raw.statusCode : null;
      const answered = { request, status, durationMs: performance.now() - begunAtMs };
      // A stream may be closed by the event of a job: the request's line must not name that.
      withoutLogFields(() => {
        for (const listener of app.answeredListeners) listener(answered);
      });
    });
  });
}

/** Calls back when a request is over: answered, or given up by its client. A stream is over when it has closed. */
export function onAnswered(app: FastifyInstance, listener: (answered: Answered) => void): void {
  app.answeredListeners.push(listener);
}

/**
 * Logs one line for each request when it is over: what changes something at `info`, what only asks and what is routine at
 * `debug`, a fault of the daemon at `warn`. The line has the pattern of the route, and never the URL.
 */
export function logRequests(app: FastifyInstance): void {
  onAnswered(app, (answered) => {
    const { request, status, durationMs } = answered;
    const route = request.routeOptions.url ?? null;
    request.log[levelOf(answered)](
      { method: request.method, route, status, durationMs: Math.round(durationMs) },
      'request',
    );
  });
}

function levelOf({ request: { method, routeOptions }, status }: Answered): 'warn' | 'info' | 'debug' {
  if (status !== null && status >= 500) return 'warn';
  const isRoutine = routeOptions.config.routine === true && (status ?? 0) < 400;
  return method === 'GET' || method === 'HEAD' || isRoutine ? 'debug' : 'info';
}
