import { randomUUID } from 'node:crypto';
import { fastifySSE } from '@fastify/sse';
import { RbeeError, type ResponseOf, type Route } from '@rbee/contract';
import { createResponseSink, SSE_HEADERS, type StreamHub, type Subscribable } from '@rbee/event-stream';
import {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyRequest,
  fastify,
  LogController,
  type RouteOptions,
} from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { withLogFields } from '../logging/log-context.ts';
import { type AccessPolicy, checkOrigin, checkToken } from './access.ts';
import { logRequests, watchRequests } from './answered-requests.ts';
import { clientOf } from './client-address.ts';
import { answerFrameworkError, installErrorReplies } from './error-reply.ts';
import { DEFAULT_JOB_RATE, limitJobRate } from './job-rate.ts';
import { acceptJsonOnly } from './json-body.ts';
import { createNodeServers } from './node-servers.ts';
import { serveDocument } from './openapi/serve.ts';
import {
  BODY_LIMIT_BYTES,
  checkShape,
  connectionOptions,
  MAX_HEADER_BYTES,
  REQUEST_TIMEOUTS,
  type RequestTimeouts,
} from './request-limits.ts';
import type { TlsIdentity } from './tls.ts';

/** `Retry-After` of a stream that was refused because too many are open. */
const STREAM_RETRY_AFTER_MS = 5_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export interface ServerDeps {
  readonly logger: FastifyBaseLogger;
  readonly hub: StreamHub;
  readonly access: Omit<AccessPolicy, 'isTls'>;
  /** null or undefined = plain HTTP. */
  readonly tls?: TlsIdentity | null;
  /** Title of the OpenAPI document. */
  readonly title: string;
  readonly version: string;
  /** Routes of the OpenAPI document by operation id; none by default. */
  readonly routes?: Readonly<Record<string, Route>>;
  /** New jobs per second and client; 50 by default. */
  readonly jobRate?: number;
  readonly timeouts?: RequestTimeouts;
}

/** A server. Routes are added before it listens. */
export type Server = FastifyInstance;

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

/** The parts of a request, checked against the route's schemas. */
export interface RouteInput<R extends Route> {
  readonly params: Parsed<R['params']>;
  readonly query: Parsed<R['query']>;
  readonly body: Parsed<R['body']>;
  readonly requestId: string;
}

/**
 * Creates a server for {@link addRoute} and {@link addStream}, with request ids, access checks, the error envelope,
 * `GET /openapi.json` and `GET /docs`. Closing it ends its streams first.
 */
export async function createServer(deps: ServerDeps): Promise<FastifyInstance> {
  const { tls = null } = deps;
  const timeouts = deps.timeouts ?? REQUEST_TIMEOUTS;
  const connections = connectionOptions(timeouts);
  const app: FastifyInstance = fastify({
    // fastify has separate types for servers with and without TLS, which are used alike here.
    ...((tls === null
      ? { http: connections }
      : { https: { ...connections, ...tls, handshakeTimeout: timeouts.handshakeMs } }) as object),
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: timeouts.requestMs,
    // The schemas check the length of an id, so that one that is too long is simply unknown.
    routerOptions: { maxParamLength: MAX_HEADER_BYTES },
    frameworkErrors: answerFrameworkError,
    forceCloseConnections: 'idle',
    genReqId: (request) => {
      const sent = request.headers['x-request-id'];
      return typeof sent === 'string' && REQUEST_ID.test(sent) ? sent : randomUUID();
    },
  });
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  acceptJsonOnly(app);
  app.decorate('nodeServers', createNodeServers(app, { tls, timeouts }));
  installErrorReplies(app);
  watchRequests(app);
  logRequests(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    // No response is a script or a page, whatever a browser makes of it.
    reply.header('x-content-type-options', 'nosniff');
    checkShape(request.raw);
    // Read for each request: tokens can change while the daemon runs.
    const access: AccessPolicy = { ...deps.access, isTls: tls !== null };
    checkOrigin(request.headers, access);
    const { open, forHives } = request.routeOptions.config;
    if (!open) checkToken(request.headers, access, forHives);
  });
  await limitJobRate(app, deps.jobRate ?? DEFAULT_JOB_RATE);
  closeInOrder(app, deps.hub, timeouts.closeMs);
  await app.register(fastifySSE, { heartbeatInterval: 0 });
  serveDocument(app, { title: deps.title, version: deps.version, routes: deps.routes ?? {} });
  return app;
}

/**
 * Closing ends the streams first: the server waits for its connections, and a stream would never end by itself. Responses
 * on their way carry `Connection: close`, or the client's next request would keep the connection open.
 */
function closeInOrder(app: FastifyInstance, hub: StreamHub, graceMs: number): void {
  let isClosing = false;
  let othersClosed: Promise<void> = Promise.resolve();
  app.addHook('preClose', () => {
    isClosing = true;
    return hub.close();
  });
  app.addHook('onSend', async (_request, reply) => void (isClosing && reply.header('connection', 'close')));
  app.addHook('preClose', async () => {
    const grace = setTimeout(() => app.nodeServers.hangUp(), graceMs);
    othersClosed = app.nodeServers.closeOthers();
    const closed = new Promise((resolve) => app.server.once('close', resolve));
    void Promise.all([closed, othersClosed]).then(() => clearTimeout(grace));
  });
  app.addHook('onClose', () => othersClosed);
}

/** Serves a route of the contract; its schemas check requests and responses. */
export function addRoute<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: (input: RouteInput<R>) => ResponseOf<R> | Promise<ResponseOf<R>>,
): void {
  const status = route.success?.status ?? 200;
  app.route({
    ...optionsOf(route),
    handler: async (request, reply) => {
      const response = await withLogFields({ requestId: request.id }, () => handler(inputOf<R>(request)));
      if (route.success?.type !== undefined) reply.type(route.success.type);
      return reply.code(status).send(response);
    },
  });
}

/** Serves a route that sends the Server-Sent Events of one channel. */
export function addStream<R extends Route>(
  app: FastifyInstance,
  hub: StreamHub,
  route: R,
  channelOf: (input: RouteInput<R>) => Subscribable | Promise<Subscribable>,
): void {
  app.route({
    ...optionsOf(route),
    // A HEAD request would wait for the end of the stream.
    exposeHeadRoute: false,
    // The plugin refuses other media types without an envelope, so checkAccept does it.
    sse: { kind: 'manual', heartbeat: false },
    handler: async (request, reply) => {
      checkAccept(request.headers.accept);
      const channel = await withLogFields({ requestId: request.id }, () => channelOf(inputOf<R>(request)));
      const lastEventId = lastEventIdOf(request);
      if (channel.accepts(lastEventId) === 'no_content') return reply.code(204).send();
      const address = clientOf(request.socket.remoteAddress);
      checkCapacity(hub, address);
      reply.headers(SSE_HEADERS);
      reply.sse.keepAlive();
      reply.hijack();
      reply.sse.sendHeaders();
      if (channel.attach(createResponseSink(reply.raw), lastEventId, address) !== 'attached') reply.raw.end();
      return reply;
    },
  });
}

function checkAccept(accept: string | undefined): void {
  if (accept === undefined || /text\/event-stream|text\/\*|\*\/\*/i.test(accept)) return;
  throw new RbeeError('REQUEST_INVALID', 'this route only serves text/event-stream', {
    hint: 'send "Accept: text/event-stream"',
  });
}

// Must run before the headers are sent, while a status can still be chosen.
function checkCapacity(hub: StreamHub, address: string | null): void {
  const retryAfterMs = STREAM_RETRY_AFTER_MS;
  switch (hub.stateFor(address)) {
    case 'open':
      return;
    case 'closed':
      throw new RbeeError('HIVE_UNAVAILABLE', 'the daemon is stopping', { hint: 'retry later' });
    case 'full':
      throw new RbeeError('TOO_MANY_STREAMS', 'too many open streams', { hint: 'retry later', retryAfterMs });
    case 'crowded':
      throw new RbeeError('TOO_MANY_STREAMS', 'too many open streams from your address', {
        hint: 'close some of them, or retry later',
        retryAfterMs,
      });
  }
}

function optionsOf(route: Route): Omit<RouteOptions, 'handler'> {
  return {
    method: route.method,
    url: route.path,
    config: {
      ...(route.open === undefined ? {} : { open: route.open }),
      ...(route.forHives === undefined ? {} : { forHives: route.forHives }),
      ...(route.missing === undefined ? {} : { missing: route.missing }),
      ...(route.stream === undefined ? {} : { stream: route.stream }),
      ...(route.routine === undefined ? {} : { routine: route.routine }),
      ...(route.startsJob === undefined ? {} : { startsJob: route.startsJob }),
    },
    schema: {
      ...(route.params === undefined ? {} : { params: route.params }),
      ...(route.query === undefined ? {} : { querystring: route.query }),
      ...(route.body === undefined ? {} : { body: route.body }),
      ...(route.success === undefined ? {} : { response: { [route.success.status]: responseSchemaOf(route.success) } }),
    },
  };
}

function responseSchemaOf({ body, type }: NonNullable<Route['success']>) {
  return type === undefined ? body : { content: { [type.replace(/;.*$/, '')]: { schema: body } } };
}

function inputOf<R extends Route>(request: FastifyRequest): RouteInput<R> {
  const { params, query, body, id } = request;
  return { params, query, body, requestId: id } as RouteInput<R>;
}

function lastEventIdOf(request: FastifyRequest): string | null {
  const header = request.headers['last-event-id'];
  const { last_event_id: query } = request.query as { last_event_id?: string };
  return (typeof header === 'string' ? header : undefined) ?? query ?? null;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Never needs a token. */
    open?: true;
    /** Accepts the token of hives too. */
    forHives?: true;
  }
}
