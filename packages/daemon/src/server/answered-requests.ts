import type { FastifyInstance, FastifyRequest } from 'fastify';
import { withoutLogFields } from '../logging/log-context.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Sends a stream of events, which lasts until its reader leaves. */
    stream?: true;
    /** Polled by programs. */
    routine?: true;
  }
  interface FastifyInstance {
    /** Called with every finished request; see {@link onAnswered}. */
    answeredListeners: ((answered: Answered) => void)[];
  }
}

/** A finished request. */
export interface Answered {
  readonly request: FastifyRequest;
  /** null if the client left before the response began. */
  readonly status: number | null;
  readonly durationMs: number;
}

/**
 * Watches every request from its start. Must be called before any other hook is added: a request that a hook refuses
 * never reaches the hooks behind it.
 */
export function watchRequests(app: FastifyInstance): void {
  app.decorate('answeredListeners', []);
  app.addHook('onRequest', async (request, reply) => {
    const begunAtMs = performance.now();
    reply.raw.once('close', () => {
      const status = reply.raw.headersSent ? reply.raw.statusCode : null;
      const answered = { request, status, durationMs: performance.now() - begunAtMs };
      // The event of a job may close a stream; the line of that request must not name the job.
      withoutLogFields(() => {
        for (const listener of app.answeredListeners) listener(answered);
      });
    });
  });
}

/** Calls back when a request is finished: answered, or aborted by its client. A stream is finished when it closes. */
export function onAnswered(app: FastifyInstance, listener: (answered: Answered) => void): void {
  app.answeredListeners.push(listener);
}

/**
 * Logs one line per finished request: changes at `info`, reads and routine requests at `debug`, server errors at `warn`.
 * The line has the pattern of the route, never the URL.
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
