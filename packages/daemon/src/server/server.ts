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
import { answerClientErrors } from './client-error.ts';
import { answerFrameworkError, installErrorReplies } from './error-reply.ts';
import { DEFAULT_JOB_RATE, limitJobRate } from './job-rate.ts';
import { takeJsonOnly } from './json-body.ts';
import { keepConnections } from './open-connections.ts';
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

/** What a daemon that stops waits for requests that are under way; then it hangs up on whoever is slower. */
const CLOSE_GRACE_MS = 3_000;
/** What a client waits that finds no room for its stream. */
const STREAM_RETRY_AFTER_MS = 5_000;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;

export interface ServerDeps {
  readonly logger: FastifyBaseLogger;
  readonly hub: StreamHub;
  readonly access: Omit<AccessPolicy, 'isTls'>;
  /** null or nothing = plain HTTP. */
  readonly tls?: TlsIdentity | null;
  /** For the OpenAPI document: its title, and every route by its operation id; none by default. */
  readonly title: string;
  readonly version: string;
  readonly routes?: Readonly<Record<string, Route>>;
  /** Jobs that one client may start per second; default 50. */
  readonly jobRate?: number;
  readonly timeouts?: RequestTimeouts;
}

/** A server under construction: routes are added until it listens. */
export type Server = FastifyInstance;

type Parsed<S> = S extends z.ZodType ? z.output<S> : undefined;

/** What a handler gets: the parts of the request, checked by the route's schemas. */
export interface RouteInput<R extends Route> {
  readonly params: Parsed<R['params']>;
  readonly query: Parsed<R['query']>;
  readonly body: Parsed<R['body']>;
  readonly requestId: string;
}

/**
 * A server that is ready for {@link addRoute} and {@link addStream}: request ids, access checks, the error envelope,
 * `GET /openapi.json` made from the routes' own schemas, and `GET /docs` made from that. Closing it ends its streams first.
 */
export async function createServer(deps: ServerDeps): Promise<FastifyInstance> {
  const { tls = null } = deps;
  const timeouts = deps.timeouts ?? REQUEST_TIMEOUTS;
  const connections = connectionOptions(timeouts);
  const app: FastifyInstance = fastify({
    // The type knows servers with TLS and without apart, which are used alike.
    ...((tls === null
      ? { http: connections }
      : { https: { ...connections, ...tls, handshakeTimeout: timeouts.handshakeMs } }) as object),
    loggerInstance: deps.logger,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: timeouts.requestMs,
    // The schemas judge the length of an id, so that one that is too long is as unknown as any other.
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
  takeJsonOnly(app);
  answerClientErrors(app.server, deps.logger);
  const hangUp = keepConnections(app.server);
  installErrorReplies(app);
  watchRequests(app);
  logRequests(app);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-request-id', request.id);
    // What answers is never a script or a page, whatever a browser takes it for.
    reply.header('x-content-type-options', 'nosniff');
    checkShape(request.raw);
    // Made anew each time: tokens can change while the daemon runs.
    const access: AccessPolicy = { ...deps.access, isTls: tls !== null };
    checkOrigin(request.headers, access);
    const { open, forHives } = request.routeOptions.config;
    if (!open) checkToken(request.headers, access, forHives);
  });
  await limitJobRate(app, deps.jobRate ?? DEFAULT_JOB_RATE);
  // The streams must end before the server waits for its connections, or closing it would wait for ever; and so must a
  // connection that is being answered, which would else stay open for the client's next request.
  let isClosing = false;
  app.addHook('preClose', () => {
    isClosing = true;
    return deps.hub.close();
  });
  app.addHook('onSend', async (_request, reply) => void (isClosing && reply.header('connection', 'close')));
  app.addHook('preClose', async () => {
    const grace = setTimeout(hangUp, CLOSE_GRACE_MS);
    app.server.once('close', () => clearTimeout(grace));
  });
  await app.register(fastifySSE, { heartbeatInterval: 0 });
  serveDocument(app, { title: deps.title, version: deps.version, routes: deps.routes ?? {} });
  return app;
}

/** Serves a route of the contract: checks what comes in and what goes out by its schemas. */
export function addRoute<R extends Route>(
  app: FastifyInstance,
  route: R,
  handler: (input: RouteInput<R>) => ResponseOf<R> | Promise<ResponseOf<R>>,
): void {
  const status = route.success?.status ?? 200;
  app.route({
    ...optionsOf(route),
    handler: async (request, reply) => {
      const answer = await withLogFields({ requestId: request.id }, () => handler(inputOf<R>(request)));
      if (route.success?.type !== undefined) reply.type(route.success.type);
      return reply.code(status).send(answer);
    },
  });
}

/** Serves a route that answers Server-Sent Events from one channel. */
export function addStream<R extends Route>(
  app: FastifyInstance,
  hub: StreamHub,
  route: R,
  channelOf: (input: RouteInput<R>) => Subscribable | Promise<Subscribable>,
): void {
  app.route({
    ...optionsOf(route),
    // A stream has no end that a HEAD could wait for.
    exposeHeadRoute: false,
    // The plugin's own refusal of other media types has no envelope, so that is said here.
    sse: { kind: 'manual', heartbeat: false },
    handler: async (request, reply) => {
      checkAccept(request.headers.accept);
      const channel = await withLogFields({ requestId: request.id }, () => channelOf(inputOf<R>(request)));
      const lastEventId = lastEventIdOf(request);
      if (channel.accepts(lastEventId) === 'no_content') return reply.code(204).send();
      const address = clientOf(request.socket.remoteAddress);
      checkRoom(hub, address);
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
  throw new RbeeError('REQUEST_INVALID', 'this route answers text/event-stream only', {
    hint: 'send "Accept: text/event-stream"',
  });
}

// After the headers are out there is no status left to say it with.
function checkRoom(hub: StreamHub, address: string | null): void {
  const retryAfterMs = STREAM_RETRY_AFTER_MS;
  switch (hub.stateFor(address)) {
    case 'open':
      return;
    case 'closed':
      throw new RbeeError('HIVE_UNAVAILABLE', 'the daemon is stopping', { hint: 'try again later' });
    case 'full':
      throw new RbeeError('TOO_MANY_STREAMS', 'too many streams are open', { hint: 'try again later', retryAfterMs });
    case 'crowded':
      throw new RbeeError('TOO_MANY_STREAMS', 'too many streams are open from your address', {
        hint: 'close some of them, or try again later',
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
      ...(route.success === undefined ? {} : { response: { [route.success.status]: answerOf(route.success) } }),
    },
  };
}

function answerOf({ body, type }: NonNullable<Route['success']>) {
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
    /** Takes the token of hives too. */
    forHives?: true;
  }
}
