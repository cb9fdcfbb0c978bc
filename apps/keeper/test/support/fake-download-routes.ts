import type { ServerResponse } from 'node:http';
import { type Download, type DownloadStatus, queenRoutes, RbeeError } from '@rbee/contract';
import type { FakeDownload, Request } from './fake-job.ts';
import type { FakeQueen } from './fake-queen.ts';
import { accept, openStream, reply } from './fake-routes.ts';

const ENDED: readonly DownloadStatus[] = ['complete', 'failed', 'cancelled'];

const relayed = ({ snapshot }: FakeDownload) => ({ ...snapshot, orchestrator_id: 'queen-1' });

/** Handles requests below `/v1/downloads` as a queen does. */
export function answerDownloads(queen: FakeQueen, request: Request, response: ServerResponse): void {
  const downloads = queen.jobs.flatMap((job) => job.downloads).filter(({ id }) => !queen.cleared.has(id));
  const [, id, verb] = /^\/v1\/downloads(?:\/([^/]+)(?:\/([a-z]+))?)?$/.exec(request.path) ?? [];
  if (id === undefined) {
    const answer = request.method === 'DELETE' ? clear(queen, downloads, request) : listOf(downloads, request);
    reply(response, 200, answer);
    return;
  }
  const download = downloads.find((each) => each.id === id);
  if (download === undefined) throw new RbeeError('DOWNLOAD_NOT_FOUND', `there is no download ${id}`);
  if (verb === 'stream') openStream(download.channel, request.headers, response);
  else if (verb === 'cancel') reply(response, 200, cancel(queen, download, request));
  else if (verb === 'retry') accept(queen, retry(queen, download, request), response);
  else {
    if (request.method === 'PATCH') patch(download, request);
    if (verb === 'pause') pause(download.snapshot, download);
    if (verb === 'resume') resume(download.snapshot, download);
    reply(response, 200, queenRoutes.getDownload.success.body.parse(relayed(download)));
  }
}

function listOf(downloads: readonly FakeDownload[], { query }: Request) {
  const { status, cursor, limit } = queenRoutes.listDownloads.query.parse(query);
  const wanted = downloads
    .map(relayed)
    .reverse()
    .filter((download) => status === undefined || download.status === status);
  const from = cursor === undefined ? 0 : wanted.findIndex((download) => download.download_id === cursor) + 1;
  const page = wanted.slice(from, from + limit);
  const next = from + limit < wanted.length ? page.at(-1)?.download_id : null;
  return queenRoutes.listDownloads.success.body.parse({ downloads: page, next_cursor: next, problems: [] });
}

function clear(queen: FakeQueen, downloads: readonly FakeDownload[], { query }: Request) {
  const { status, older_than: age = 0 } = queenRoutes.clearDownloads.query.parse(query);
  const old = downloads.filter(
    ({ snapshot }) =>
      ENDED.includes(snapshot.status) &&
      (status === undefined || snapshot.status === status) &&
      Date.parse(snapshot.ended_at ?? '') <= Date.now() - age,
  );
  for (const { id } of old) queen.cleared.add(id);
  return queenRoutes.clearDownloads.success.body.parse({ removed: old.length, problems: [] });
}

function pause({ status }: Download, download: FakeDownload): void {
  if (status === 'paused' || ENDED.includes(status))
    throw conflict(download, 'only a queued or running download can be paused');
  download.progress({ status: 'paused', speed_bps: 0, eta_secs: null });
}

function resume({ status }: Download, download: FakeDownload): void {
  if (status !== 'paused') throw conflict(download, 'only a paused download can be resumed');
  download.progress({ status: 'queued' });
}

function patch({ id, snapshot, progress }: FakeDownload, { body }: Request): void {
  if (ENDED.includes(snapshot.status))
    throw new RbeeError('STATUS_CONFLICT', `the download ${id} is ${snapshot.status}`, {
      hint: 'a download that has ended cannot be changed',
    });
  progress(body as Partial<Download>);
}

function cancel(queen: FakeQueen, download: FakeDownload, { query }: Request) {
  const { partial } = queenRoutes.cancelDownload.query.parse(query);
  const isEnded = ENDED.includes(download.snapshot.status);
  const { hive, snapshot } = download;
  const ended = {
    ...{ download_id: snapshot.download_id, hive_id: hive, state: 'ended', bytes: snapshot.bytes },
    partial: partial === 'discard' ? 'discarded' : snapshot.partial,
  };
  const job = queen.jobs.find((each) => each.downloads.includes(download));
  const downloads = isEnded || job === undefined ? [ended] : queen.onCancel(job).downloads;
  const { download_id, status } = download.snapshot;
  return queenRoutes.cancelDownload.success.body.parse({ download_id, status, jobs: isEnded ? 0 : 1, downloads });
}

function retry(queen: FakeQueen, download: FakeDownload, request: Request) {
  const { status, model_ref: model, download_id: old } = download.snapshot;
  if (status !== 'failed' && status !== 'cancelled') {
    throw conflict(download, 'only failed or cancelled downloads can be retried');
  }
  const job = queen.startJob({ ...request, body: { operation: 'model_download', model } });
  for (const each of job.downloads) each.progress({ retry_of: old });
  return job;
}

function conflict({ id, snapshot }: FakeDownload, hint: string): RbeeError {
  return new RbeeError('STATUS_CONFLICT', `the download ${id} is ${snapshot.status}`, { hint });
}
