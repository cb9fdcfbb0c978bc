import type { ServerResponse } from 'node:http';
import { type FleetDoctor, queenRoutes, RbeeError, toErrorBody } from '@rbee/contract';
import { type Channel, createResponseSink, SSE_HEADERS } from '@rbee/event-stream';
import { answerDownloads } from './fake-download-routes.ts';
import { downloadRef, type FakeJob, type Request } from './fake-job.ts';
import type { FakeQueen } from './fake-queen.ts';

/** Handles a request as a queen does; responses are checked against the contract's schemas. */
export function answer(queen: FakeQueen, request: Request, response: ServerResponse): void {
  const { method, path } = request;
  if (queen.token !== null && request.headers.authorization !== `Bearer ${queen.token}`) {
    throw new RbeeError('API_KEY_INVALID', 'the token is not the right one');
  }
  if (path === '/v1/downloads/stream') openStream(queen.fleet, request.headers, response);
  else if (path.startsWith('/v1/downloads')) answerDownloads(queen, request, response);
  else if (method === 'POST') createJob(queen, request, response);
  else if (path.startsWith('/v1/jobs')) answerJobs(queen, request, response);
  else if (path === '/v1/hives') {
    reply(response, 200, queenRoutes.listHives.success.body.parse({ hives: queen.hives }));
  } else if (path === '/v1/models') reply(response, 200, queen.stores);
  else if (path === '/v1/search') reply(response, 200, { hive_id: 'gpu-1', models: [] });
  else if (method === 'PATCH') limitHive(queen, request, response);
  else if (path === '/v1/doctor') reply(response, 200, queenRoutes.doctor.success.body.parse(examined(queen, request)));
  else if (path === '/v1/info') reply(response, 200, queenRoutes.info.success.body.parse(infoOf(queen)));
  else throw new RbeeError('ROUTE_NOT_FOUND', `there is no route ${path}`);
}

function limitHive(queen: FakeQueen, { path, body }: Request, response: ServerResponse): void {
  const name = path.slice('/v1/hives/'.length);
  const hive = queen.hives.find((each) => each.hive_id === name);
  if (hive === undefined) throw new RbeeError('HIVE_NOT_FOUND', `there is no hive ${name}`);
  reply(response, 200, { ...hive, max_bandwidth: body.max_bandwidth });
}

export function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export function refuse(response: ServerResponse, error: RbeeError): void {
  reply(response, error.httpStatus, toErrorBody(error, 'request-1'));
}

function examined({ doctor }: FakeQueen, { query }: Request): FleetDoctor {
  const hives = doctor.hives.filter(({ hive_id }) => query.hive_id === undefined || query.hive_id === hive_id);
  if (hives.length === 0) throw new RbeeError('HIVE_NOT_FOUND', `there is no hive ${query.hive_id}`);
  return { hives };
}

const infoOf = ({ hives }: FakeQueen) => ({
  queen_id: 'queen-1',
  version: '0.1.0',
  uptime_secs: 61,
  hives: hives.length,
  hives_online: hives.filter((hive) => hive.online).length,
  settings: {},
});

function createJob(queen: FakeQueen, request: Request, response: ServerResponse): void {
  accept(queen, queen.startJob(request), response);
}

/** Responds with a started job. */
export function accept(queen: FakeQueen, job: FakeJob, response: ServerResponse): void {
  const downloads = job.downloads.map(downloadRef);
  const [first] = downloads;
  const single = first && { download_id: first.download_id, download_sse_url: first.download_sse_url };
  const accepted = queenRoutes.createJob.success.body.parse({
    job_id: job.id,
    sse_url: `/v1/jobs/${job.id}/stream`,
    ...(downloads.length > 1 ? { downloads } : single),
  });
  reply(response, 202, accepted);
  queen.onJob(job);
}

function answerJobs(queen: FakeQueen, { method, path, headers }: Request, response: ServerResponse): void {
  const [, id, tail] = /^\/v1\/jobs(?:\/([^/]+)(\/stream)?)?$/.exec(path) ?? [];
  if (id === undefined) {
    const jobs = queen.jobs.map((job) => job.snapshot).reverse();
    reply(response, 200, queenRoutes.listJobs.success.body.parse({ jobs }));
    return;
  }
  const job: FakeJob | undefined = queen.jobs.find((each) => each.id === id);
  if (job === undefined) throw new RbeeError('JOB_NOT_FOUND', `there is no job ${id}`);
  if (tail !== undefined) openStream(job.channel, headers, response);
  else if (method === 'DELETE') reply(response, 200, queenRoutes.cancelJob.success.body.parse(queen.onCancel(job)));
  else reply(response, 200, queenRoutes.getJob.success.body.parse(job.snapshot));
}

export function openStream(channel: Channel, headers: Request['headers'], response: ServerResponse): void {
  const last = headers['last-event-id'];
  const lastEventId = typeof last === 'string' ? last : null;
  if (channel.accepts(lastEventId) === 'no_content') {
    response.writeHead(204).end();
    return;
  }
  response.writeHead(200, { ...SSE_HEADERS });
  channel.attach(createResponseSink(response), lastEventId);
}
