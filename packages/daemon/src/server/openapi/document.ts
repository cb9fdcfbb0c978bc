import { ERROR_CODES, type ErrorCode, errorBodySchema, type Route } from '@rbee/contract';
import { createSchemaBook, type Json, parametersOf, type SchemaBook } from './schemas.ts';

export interface DocumentOptions {
  readonly title: string;
  readonly version: string;
  /** The routes by operation id. */
  readonly routes: Readonly<Record<string, Route>>;
}

/** Descriptions of tags. The tag of a route is the first part of its path after the version. */
const TAGS: Readonly<Record<string, string>> = {
  jobs: 'Operations and their output',
  downloads: 'Downloads and their history',
  models: 'The model store',
  hives: 'The hives of a queen',
  hive: 'Registration of hives',
  settings: 'Settings that can be changed at run time',
  daemon: 'The daemon itself',
};

const REQUEST_ID = { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } };
/** Headers of errors by status. */
const ERROR_HEADERS: Readonly<Record<string, Json>> = {
  401: { 'WWW-Authenticate': { schema: { type: 'string', const: 'Bearer' } } },
  429: { 'Retry-After': { description: 'Seconds', schema: { type: 'integer', minimum: 0 } } },
};

/** The OpenAPI 3.1 document of a daemon, built from the schemas that check its requests and responses. */
export function openApiOf({ title, version, routes }: DocumentOptions): Json {
  const book = createSchemaBook();
  const paths: Record<string, Record<string, Json>> = {};
  for (const [id, route] of Object.entries(routes)) {
    const path = route.path.replaceAll(/:([a-z_]+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(book, id, route) };
  }
  const error = book.response(errorBodySchema, 'Error');
  const used = new Set(Object.values(routes).map(({ path }) => tagOf(path)));
  return {
    openapi: '3.1.0',
    info: { title, version, license: { name: 'MIT', identifier: 'MIT' } },
    servers: [{ url: '/', description: 'This daemon' }],
    security: [{ token: [] }, {}],
    tags: Object.entries(TAGS).flatMap(([name, description]) => (used.has(name) ? [{ name, description }] : [])),
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'RBEE_API_TOKEN of the daemon, if set' },
      },
      headers: { RequestId: { description: 'Identifies the request in the logs', schema: { type: 'string' } } },
      responses: {
        Error: {
          description: 'Any other error, in the same envelope',
          headers: REQUEST_ID,
          content: { 'application/json': { schema: error } },
        },
      },
      schemas: book.components(),
    },
  };
}

function operationOf(book: SchemaBook, id: string, route: Route): Json {
  const { summary, params, query, body } = route;
  const parameters = [...parametersOf(params, 'path'), ...parametersOf(query, 'query'), ...streamParameters(route)];
  const name = pascal(id);
  return {
    operationId: id,
    summary,
    tags: [tagOf(route.path)],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: book.request(body, `${name}Request`) } },
          },
        }),
    responses: {
      ...successOf(book, name, route),
      ...errorsOf(book, route),
      default: { $ref: '#/components/responses/Error' },
    },
    ...(route.open ? { security: [] } : {}),
  };
}

function streamParameters({ stream }: Route): readonly Json[] {
  if (!stream) return [];
  const description = 'Where to resume the stream; takes precedence over the query';
  return [{ name: 'Last-Event-ID', in: 'header', required: false, description, schema: { type: 'string' } }];
}

function successOf(book: SchemaBook, name: string, { success, events = {}, stream }: Route): Json {
  if (success !== undefined) {
    const schema = book.response(success.body, `${name}Response`);
    const description = success.status === 202 ? 'Accepted; the job has started' : 'Done';
    const { status, type = 'application/json' } = success;
    return { [status]: { description, headers: REQUEST_ID, content: { [type.replace(/;.*$/, '')]: { schema } } } };
  }
  if (!stream) return {};
  const data = Object.entries(events).map(([event, schema]) => [
    event,
    book.response(schema, `${name}${pascal(event)}`),
  ]);
  const description = `Server-Sent Events: ${Object.keys(events).join(', ')}. \`x-events\` has the schema of the data of each event`;
  const content = { 'text/event-stream': { schema: { type: 'string' }, 'x-events': Object.fromEntries(data) } };
  return {
    200: { description, headers: REQUEST_ID, content },
    204: { description: 'The reader already has the last event', headers: REQUEST_ID },
  };
}

function errorsOf(book: SchemaBook, route: Route): Json {
  const byStatus = Map.groupBy(new Set(codesOf(route)), (code) => ERROR_CODES[code].http);
  const schema = book.response(errorBodySchema, 'Error');
  const entries = [...byStatus].map(([status, codes]) => {
    const headers = { ...REQUEST_ID, ...ERROR_HEADERS[status] };
    return [String(status), { description: codes.join(', '), headers, content: { 'application/json': { schema } } }];
  });
  return Object.fromEntries(entries);
}

/** The codes that a route can respond with: its own, and those that follow from its parts. */
function codesOf(route: Route): ErrorCode[] {
  const takes = route.params ?? route.query ?? route.body;
  return [
    ...(takes === undefined ? [] : (['REQUEST_INVALID'] as const)),
    ...(route.open ? [] : (['API_KEY_MISSING', 'API_KEY_INVALID'] as const)),
    'ORIGIN_REFUSED',
    ...(route.missing === undefined ? [] : [route.missing]),
    ...(route.body === undefined ? [] : (['PAYLOAD_TOO_LARGE', 'MEDIA_TYPE_UNSUPPORTED'] as const)),
    ...(route.stream ? (['TOO_MANY_STREAMS', 'HIVE_UNAVAILABLE'] as const) : []),
    ...(route.startsJob ? (['RATE_LIMITED'] as const) : []),
    ...(route.errors ?? []),
    'INTERNAL',
  ];
}

function tagOf(path: string): string {
  const [first = ''] = path.split('/').filter((part) => part !== '' && !/^v\d+$/.test(part));
  return Object.hasOwn(TAGS, first) ? first : 'daemon';
}

function pascal(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}
