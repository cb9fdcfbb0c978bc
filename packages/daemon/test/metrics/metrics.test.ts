import { connect } from 'node:net';
import { Writable } from 'node:stream';
import { hiveRoutes, newDownloadId, newJobId, RbeeError } from '@rbee/contract';
import { createStreamHub } from '@rbee/event-stream';
import { afterEach, describe, expect, it } from 'vitest';
import { addRoute, addStream, createLogger, createMetrics, createServer } from '../../src/index.ts';

const TOKEN = 'a-token-of-sixteen-characters';
const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

async function serve(apiToken: string | null = null) {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({ write: (chunk, _, done) => done(void lines.push(JSON.parse(String(chunk)))) });
  const logger = createLogger({ name: 'test', level: 'debug' }, sink);
  const hub = createStreamHub();
  const app = await createServer({
    logger,
    hub,
    access: { apiToken },
    title: 'test',
    version: '1.2.3',
    routes: hiveRoutes,
  });
  const metrics = createMetrics({ version: '1.2.3' });
  metrics.serve(app, hiveRoutes.metrics);
  addRoute(app, hiveRoutes.health, () => ({ status: 'ok' as const }));
  addRoute(app, hiveRoutes.createJob, ({ body }) => ({ job_id: newJobId(), sse_url: `/v1/jobs/${body.operation}` }));
  addRoute(app, hiveRoutes.getDownload, ({ params }) => {
    throw new RbeeError('DOWNLOAD_NOT_FOUND', `there is no ${params.id}`);
  });
  const heartbeats = hub.channel({ mode: 'state' });
  addStream(app, hub, hiveRoutes.heartbeats, () => heartbeats);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  open.push(
    () => app.close(),
    () => metrics.close(),
  );
  return { url, metrics, lines, hub, port: Number(new URL(url).port) };
}

const seriesOf = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.replace(/ \S+$/, ''));

describe('GET /metrics', () => {
  it('answers the text that Prometheus reads, to whoever has the token', async () => {
    const { url } = await serve(TOKEN);
    expect((await fetch(`${url}/metrics`)).status).toBe(401);
    const answer = await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await answer.text();
    expect(text).toMatch(/^rbee_build_info\{version="1\.2\.3",node_version="[\d.]+"\} 1$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d{7,}$/m);
    expect(text).toMatch(/^rbee_event_loop_delay_seconds\{statistic="p99"\} \d/m);
  });

  it('is told as text in the OpenAPI page', async () => {
    const { url } = await serve();
    const page = (await (await fetch(`${url}/openapi.json`)).json()) as { paths: Record<string, unknown> };
    expect(page.paths['/metrics']).toHaveProperty(['get', 'responses', '200', 'content', 'text/plain']);
  });

  it('counts requests by the pattern of their route, so that neither ids nor made-up paths make series', async () => {
    const { url, metrics } = await serve();
    const round = async () => {
      await (await fetch(`${url}/v2/downloads/${newDownloadId()}`)).text();
      await (await fetch(`${url}/made/up/${newJobId()}`, { method: 'DELETE' })).text();
      await (await fetch(`${url}/health`)).text();
    };
    const count = (labels: string) =>
      expect.poll(async () =>
        Number(new RegExp(`_requests_total\\{${labels}\\} (\\d+)`).exec(await metrics.text())?.[1]),
      );
    await round();
    await count('method="GET",route="/health",status="2xx"').toBe(1);
    const before = seriesOf(await metrics.text());
    for (let times = 0; times < 20; times += 1) await round();
    await count('method="GET",route="/health",status="2xx"').toBe(21);
    await count('method="GET",route="/v2/downloads/:id",status="4xx"').toBe(21);
    await count('method="none",route="none",status="4xx"').toBe(21);
    expect(seriesOf(await metrics.text())).toEqual(before);
  });

  it('counts what is refused before it reaches its route', async () => {
    const { url, metrics } = await serve(TOKEN);
    await (await fetch(`${url}/v2/downloads/${newDownloadId()}`)).text();
    await (await fetch(`${url}/health`, { headers: { origin: 'https://evil.example' } })).text();
    const counted = (route: string) => `rbee_http_requests_total{method="GET",route="${route}",status="4xx"} 1`;
    await expect.poll(() => metrics.text()).toContain(counted('/v2/downloads/:id'));
    await expect.poll(() => metrics.text()).toContain(counted('/health'));
  });

  it('counts a stream when it has closed, and does not time it', async () => {
    const { url, metrics, hub } = await serve();
    const leave = new AbortController();
    await fetch(`${url}/v1/heartbeats/stream`, { signal: leave.signal });
    expect(hub.readers).toBe(1);
    expect(await metrics.text()).not.toContain('/v1/heartbeats/stream');
    leave.abort();
    const line = 'rbee_http_requests_total{method="GET",route="/v1/heartbeats/stream",status="2xx"} 1';
    await expect.poll(() => metrics.text()).toContain(line);
    expect(await metrics.text()).not.toMatch(/duration_seconds_count\{[^}]*heartbeats/);
  });

  it('counts a client that leaves in the middle of its request', async () => {
    const { port, metrics } = await serve();
    const socket = connect(port, '127.0.0.1');
    open.push(() => socket.destroy());
    const head =
      'POST /v1/jobs HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n';
    await new Promise<void>((resolve) => socket.write(head, () => resolve()));
    socket.end();
    const line = /rbee_http_requests_total\{method="POST",route="\/v1\/jobs",status="(aborted|4xx)"\} 1/;
    await expect.poll(() => metrics.text()).toMatch(line);
  });

  it('leaves out a value that is unknown', async () => {
    const { metrics } = await serve();
    metrics.gauge({ name: 'rbee_gone', help: 'gone', read: async () => [] });
    const text = await metrics.text();
    expect(text).toContain('# TYPE rbee_gone gauge');
    expect(text).not.toMatch(/^rbee_gone[ {]/m);
    expect(text).toMatch(/^rbee_build_info/m);
  });
});

describe('the log of requests', () => {
  it('has one line for each, with its id and the pattern of its route, and no URL', async () => {
    const { url, lines } = await serve();
    const id = newDownloadId();
    await fetch(`${url}/v2/downloads/${id}?secret=1`, { headers: { 'x-request-id': 'look-1' } });
    await fetch(`${url}/v1/jobs`, {
      method: 'POST',
      body: '{"operation":"model_list"}',
      headers: { 'content-type': 'application/json', 'x-request-id': 'start-1' },
    });
    const of = (requestId: string) => lines.filter((line) => line['requestId'] === requestId);
    await expect.poll(() => of('start-1')).toHaveLength(1);
    const route = '/v2/downloads/:id';
    expect(of('look-1')).toMatchObject([{ level: 20, msg: 'request', method: 'GET', route, status: 404 }]);
    expect(of('start-1')).toMatchObject([{ level: 30, method: 'POST', route: '/v1/jobs', status: 202 }]);
    expect(JSON.stringify(lines)).not.toMatch(new RegExp(`secret|${id}`));
  });
});
