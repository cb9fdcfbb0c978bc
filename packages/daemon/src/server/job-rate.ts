import fastifyRateLimit from '@fastify/rate-limit';
import { RbeeError } from '@rbee/contract';
import type { FastifyInstance } from 'fastify';
import { clientOf } from './client-address.ts';

export const DEFAULT_JOB_RATE = 50;
/** A client may start all its jobs of this long at once. */
const WINDOW_MS = 4_000;
/** Clients that are remembered; beyond it the one that was seen last is forgotten. */
const MAX_CLIENTS = 5_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Makes a job, so that it counts for the rate of its client. */
    startsJob?: true;
  }
}

/**
 * Limits how many jobs one client starts, over all routes that start one: on the average `perSecond`, four times as many at
 * once. All of this machine are one client. A request without access does not count.
 */
export async function limitJobRate(app: FastifyInstance, perSecond: number): Promise<void> {
  await app.register(fastifyRateLimit, { global: false, cache: MAX_CLIENTS });
  const check = app.createRateLimit({
    max: perSecond * (WINDOW_MS / 1000),
    timeWindow: WINDOW_MS,
    keyGenerator: (request) => clientOf(request.socket.remoteAddress) ?? 'this machine',
  });
  app.addHook('onRequest', async (request) => {
    if (!request.routeOptions.config.startsJob) return;
    const use = await check(request);
    if (use.isAllowed || !use.isExceeded) return;
    throw new RbeeError('RATE_LIMITED', `you start more than ${perSecond} jobs per second`, {
      hint: 'wait as Retry-After says; the operator sets it with --job-rate',
      retryAfterMs: use.ttl,
    });
  });
}
