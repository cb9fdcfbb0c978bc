import { createServer, type RequestListener, type Server } from 'node:http';
import { newJobId } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cancelledOf, completeOf } from '../support/events.ts';
import { api, queenIn, type RunningQueen } from '../support/queen.ts';
import { type Accepted, openFleet, type ScriptedHive, scriptedHive } from '../support/scripted-hive.ts';

// Goal: only its hive ends a download, whatever responds at the hive's address meanwhile. Method: a queen, a hive that goes
// away, and a stranger at its port; then the hive is back and ends the download. Failure shows as an end that the hive did
// not send, as two ends, or as a download that is not followed again.

vi.setConfig({ testTimeout: 60_000 });

let folder: TempDir;
let hive: ScriptedHive;
let queen: RunningQueen;
let stranger: Server | null;
let job: Accepted;
beforeEach(async () => {
  folder = await tempDir();
  stranger = null;
  hive = await scriptedHive('hive-a');
  queen = await queenIn(folder.path);
  await openFleet(queen.url, hive);
  job = hive.accepts(newJobId());
  const body = { operation: 'model_download', model: 'hf:org/repo::file=x', job_id: job.jobId };
  expect((await api('POST', `${queen.url}/v1/jobs`, body)).status).toBe(202);
});
afterEach(async () => {
  await queen.close();
  await leave();
  await hive.close();
  await folder.remove();
});

async function leave(): Promise<void> {
  if (stranger === null) return;
  const server = stranger;
  stranger = null;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

/** The hive goes away, and something else is at its address; resolves when it was asked for the download. */
async function replaceHive(listener: RequestListener): Promise<void> {
  const port = Number(new URL(hive.url).port);
  await hive.close();
  const asked = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/v2/downloads/')) asked.resolve();
    listener(request, response);
  });
  stranger = server;
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  await asked.promise;
}

/** The hive is back at its address, with its job. */
async function bringBack(): Promise<void> {
  await leave();
  const { jobId, downloadId } = job;
  hive = await scriptedHive('hive-a', Number(new URL(hive.url).port));
  job = hive.accepts(jobId, downloadId);
  await openFleet(queen.url, hive);
}

/** The text of a stream that is open now, once it ends. */
async function open(path: string): Promise<{ readonly text: Promise<string> }> {
  const response = await fetch(`${queen.url}/v1/${path}/stream`);
  return { text: response.text() };
}
const endsIn = (stream: string) =>
  stream.match(/^event: ?(complete|error|cancelled)$/gm)?.map((line) => line.split(/: ?/)[1]);

const errorBody = (code: string) => JSON.stringify({ error: { code, message: 'm', request_id: 'r' } });
const json = { 'content-type': 'application/json' };
const infoOf = (hive_id: string) =>
  JSON.stringify({ hive_id, version: '1', uptime_secs: 1, models_dir: '/m', free_bytes: 1, settings: {} });

/** A daemon of that name that has nothing. */
const emptyHive =
  (hiveId: string): RequestListener =>
  ({ url }, response) => {
    if (url === '/v1/info') response.writeHead(200, json).end(infoOf(hiveId));
    else response.writeHead(404, json).end(errorBody(/jobs/.test(url ?? '') ? 'JOB_NOT_FOUND' : 'DOWNLOAD_NOT_FOUND'));
  };

const STRANGERS: [string, RequestListener][] = [
  ['200 with a page', (_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>hello</h1>')],
  ['204', (_, response) => response.writeHead(204).end()],
  ...[400, 401, 403, 405, 409, 410, 418, 429, 500, 502, 503].map((status): [string, RequestListener] => [
    String(status),
    (_, response) => response.writeHead(status).end('no'),
  ]),
  ['404 without a body', (_, response) => response.writeHead(404).end()],
  ['404 of another hive', emptyHive('hive-b')],
  [
    '404 of a program that is no hive',
    (_, response) => response.writeHead(404, json).end(errorBody('DOWNLOAD_NOT_FOUND')),
  ],
  ['a redirect to itself', ({ url }, response) => response.writeHead(302, { location: url }).end()],
  ['a redirect to a page', (_, response) => response.writeHead(301, { location: 'http://127.0.0.1:9/login' }).end()],
  [
    '200 with a stream that ends',
    (_, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).end(),
  ],
  ['a reset', ({ socket }) => socket.resetAndDestroy()],
  ['garbage', ({ socket }) => socket.end('\x00\x01garbage\r\n\r\n')],
];

describe('at the address of a hive that is away,', () => {
  it.each(STRANGERS)('[L3] %s ends nothing, and the hive ends its download when it is back', async (_, listener) => {
    const { text: narration } = await open(`jobs/${job.jobId}`);
    const { text: progress } = await open(`downloads/${job.downloadId}`);
    await replaceHive(listener);
    await bringBack();
    job.progress.publish({ event: 'complete', data: completeOf(job.downloadId) }, 'terminal');
    job.narration.publish({ data: '[DONE]' }, 'terminal');
    expect(endsIn(await progress)).toEqual(['complete']);
    expect(await progress).toContain('"code":"HIVE_LOST"');
    expect(await narration).toMatch(/data: ?\[DONE\]/);
    await queen.close();
    queen = await queenIn(folder.path);
    await openFleet(queen.url, hive);
    expect(endsIn(await (await open(`downloads/${job.downloadId}`)).text)).toEqual(['complete']);
    expect((await api('GET', `${queen.url}/v1/jobs/${job.jobId}`)).body['state']).toBe('completed');
  });

  it('[L3] a stranger ends nothing over a restart of the queen either', async () => {
    await replaceHive(emptyHive('hive-b'));
    await queen.close();
    queen = await queenIn(folder.path);
    const { text: progress } = await open(`downloads/${job.downloadId}`);
    await bringBack();
    job.progress.publish({ event: 'cancelled', data: cancelledOf(job.downloadId) }, 'terminal');
    job.narration.publish({ data: '[CANCELLED]' }, 'terminal');
    expect(endsIn(await progress)).toEqual(['cancelled']);
  });

  it('[L3] the hive itself, without its history, ends it with an error', async () => {
    const { text: progress } = await open(`downloads/${job.downloadId}`);
    await replaceHive(emptyHive('hive-a'));
    expect(endsIn(await progress)).toEqual(['error']);
    expect(await progress).toContain('"code":"DOWNLOAD_NOT_FOUND"');
  });

  it('[L7] a stranger gets no cancel, and its 404 drops none: the hive gets it when it is back', async () => {
    await replaceHive(emptyHive('hive-b'));
    const cancel = () => api('DELETE', `${queen.url}/v1/jobs/${job.jobId}`);
    for (let times = 0; times < 2; times += 1) {
      expect((await cancel()).body).toMatchObject({ status: 'cancelled', downloads: [{ state: 'unreachable' }] });
    }
    await bringBack();
    await expect.poll(() => hive.cancelled(), { timeout: 40_000 }).toEqual([job.jobId]);
  });

  it('[L7] a stranger that says it has cancelled is not believed', async () => {
    const receipts = JSON.stringify({ job_id: job.jobId, status: 'cancelled', downloads: [] });
    await replaceHive((request, response) => {
      if (request.method === 'DELETE') response.writeHead(200, json).end(receipts);
      else response.writeHead(503).end();
    });
    await expect.poll(() => isOnline(), { timeout: 40_000 }).toBe(false);
    await api('DELETE', `${queen.url}/v1/jobs/${job.jobId}`);
    await bringBack();
    await expect.poll(() => hive.cancelled(), { timeout: 40_000 }).toEqual([job.jobId]);
  });
});

async function isOnline(): Promise<boolean | undefined> {
  const { hives } = (await api('GET', `${queen.url}/v1/hives`)).body as { hives: { online: boolean }[] };
  return hives[0]?.online;
}
