import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { hiveRoutes, newJobId, parseModelRef, queenRoutes, RbeeError } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { onTestFinished } from 'vitest';
import { addRoute, addStream, createLogger, createServer, type ServerDeps } from '../src/index.ts';

/** The real server of a daemon with some of its routes, on a real port. Closed when the test ends. */
export async function serveDaemon(options: Partial<ServerDeps> = {}) {
  const log: string[] = [];
  const sink = new Writable({ write: (chunk, _, done) => done(void log.push(String(chunk))) });
  const logger = createLogger({ name: 'test', level: 'trace' }, sink);
  const hub = createStreamHub();
  const app = await createServer({ logger, hub, access: { apiToken: null }, title: 't', version: '1', ...options });
  const asked: unknown[] = [];
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, hiveRoutes.createJob, ({ body }) => {
    if ('model' in body) parseModelRef(body.model);
    asked.push(body);
    const job_id = newJobId();
    return { job_id, sse_url: `/v1/jobs/${job_id}/stream` };
  });
  addRoute(app, hiveRoutes.getJob, ({ params }) => {
    throw new RbeeError('JOB_NOT_FOUND', `there is no job ${params.id}`);
  });
  addRoute(app, queenRoutes.listDownloads, () => ({ downloads: [], next_cursor: null, problems: [] }));
  const channel = hub.channel({ mode: 'state' });
  channel.publish({ event: 'heartbeat', data: '{"n":1}' }, 'state');
  addStream(app, hub, hiveRoutes.heartbeats, () => channel);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  onTestFinished(() => app.close());
  return { url, app, hub, log, asked, port: Number(new URL(url).port) };
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/** Sends bytes as they are and reads until the other side closes, or `isEnough`. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer | readonly (string | Buffer)[],
  isEnough: (text: string) => boolean = () => false,
  address = '127.0.0.1',
): Promise<string> {
  const socket = connect(port, address);
  // A server that has said no resets what comes afterwards.
  socket.on('error', () => undefined);
  for (const part of [bytes].flat()) socket.write(part);
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (isEnough(text)) socket.destroy();
    });
    socket.on('close', () => resolve(text));
  });
}

/** The answers of a connection, one after the other; each has a Content-Length. */
export function answersIn(text: string): RawAnswer[] {
  const answers: RawAnswer[] = [];
  for (let rest = text; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n');
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = new Map(lines.map((line) => [line.split(':', 1)[0]?.toLowerCase() ?? '', afterColon(line)]));
    const length = Number(headers.get('content-length') ?? 0);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1]);
    if (end < 0 || Number.isNaN(status)) throw new Error(`this is no answer: ${rest}`);
    answers.push({ status, headers, text: rest.slice(end + 4, end + 4 + length) });
    rest = rest.slice(end + 4 + length);
  }
  return answers;
}

function afterColon(line: string): string {
  return line.slice(line.indexOf(':') + 1).trim();
}
