import fastifyRateLimit from '@fastify/rate-limit';
import { RbeeError } from '@rbee/contract';
import type { FastifyInstance } from 'fastify';
import { clientOf } from './client-address.ts';

export const DEFAULT_JOB_RATE = 50;
/** A client may start the jobs of this much time in one burst. */
const WINDOW_MS = 4_000;
/** Clients that are counted; beyond it the least recently seen one is dropped. */
const MAX_CLIENTS = 5_000;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Starts a job, which counts towards the rate of its client. */
    startsJob?: true;
  }
}

/**
 * Limits how many jobs one client starts over all routes: `perSecond` on average, in bursts of up to four times as many.
 * All clients on this machine count as one. A request without access does not count.
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
    throw new RbeeError('RATE_LIMITED', `more than ${perSecond} new jobs per second`, {
      hint: 'wait as long as Retry-After says; the limit is --job-rate',
      retryAfterMs: use.ttl,
    });
  });
}
