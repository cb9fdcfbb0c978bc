import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { modelIdOf, newDownloadId, newJobId } from '@rbee/contract';
import { Agent } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHiveClient, type HiveClient } from '../../src/hives/client.ts';

// Goal: no request to a hive waits forever, whatever is at its address. Method: a server that is silent in several ways, and
// a deadline that passes once it has been silent; without deadlines each test would wait for the timeout of the runner.

/** How often a body that trickles in is written to before the deadline passes. */
const DRIPS = 5;
/** How long a keeper waits for the queen's own response. */
const PATIENCE_OF_CLIENTS_MS = 60_000;

let server: Server;
let dispatcher: Agent;
let silence: (response: ServerResponse) => void;
let limitsMs: number[];
/** Makes the deadline of the request pass. */
let passDeadline: () => void;
let client: HiveClient;
let hive: { hive_id: string; hive_url: string };

beforeEach(async () => {
  server = createServer((request, response) => {
    request.resume();
    silence(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  hive = { hive_id: 'hive-a', hive_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  dispatcher = new Agent({ bodyTimeout: 0 });
  limitsMs = [];
  const deadline = (ms: number) => {
    limitsMs.push(ms);
    const controller = new AbortController();
    passDeadline = () => controller.abort(new DOMException('the deadline has passed', 'TimeoutError'));
    return controller.signal;
  };
  client = createHiveClient({ dispatcher, token: null, deadline });
});
afterEach(async () => {
  await dispatcher.destroy();
  server.closeAllConnections();
  server.close();
});

const id = newDownloadId(1);
const modelId = modelIdOf('hf:org/repo@main::file=x.gguf');

/** Every request that a queen makes, by its name. */
const REQUESTS: Readonly<Record<Exclude<keyof HiveClient, 'headers'>, () => Promise<unknown>>> = {
  repo: () => client.repo(hive, 'hf:org/repo', 10_000),
  search: () => client.search(hive, { q: 'qwen' }, 10_000),
  createJob: () => client.createJob(hive, { operation: 'model_list' }),
  cancelJob: () => client.cancelJob(hive, newJobId(), 'keep'),
  cancelDownload: () => client.cancelDownload(hive, id, 'keep'),
  getJob: () => client.getJob(hive, newJobId()),
  getDownload: () => client.getDownload(hive, id),
  pauseDownload: () => client.pauseDownload(hive, id),
  resumeDownload: () => client.resumeDownload(hive, id),
  patchDownload: () => client.patchDownload(hive, id, { priority: 1 }),
  retryDownload: () => client.retryDownload(hive, id),
  removeDownload: () => client.removeDownload(hive, id),
  clearDownloads: () => client.clearDownloads(hive, {}),
  listDownloads: () => client.listDownloads(hive, {}),
  getSettings: () => client.getSettings(hive),
  patchSettings: () => client.patchSettings(hive, { max_bandwidth: 1 }),
  listModels: () => client.listModels(hive),
  getModel: () => client.getModel(hive, modelId),
  removeModel: () => client.removeModel(hive, modelId),
  identify: () => client.identify(hive.hive_url, 1_000),
  whoIsAt: () => client.whoIsAt(hive.hive_url, 1_000),
  doctor: () => client.doctor(hive),
};

describe('a request to a hive', () => {
  it.each(Object.entries(REQUESTS))('%s ends when the hive accepts it and is silent', async (name, send) => {
    silence = () => passDeadline();
    if (name === 'identify') expect(await send()).toBeNull();
    else if (name === 'whoIsAt') expect(await send()).toEqual({ hiveId: null, isSilent: true });
    else await expect(send()).rejects.toMatchObject({ code: 'HIVE_UNAVAILABLE' });
    expect(limitsMs).toHaveLength(1);
    expect(limitsMs[0]).toBeLessThanOrEqual(PATIENCE_OF_CLIENTS_MS);
  });

  it.each([
    ['no body', flushHead],
    ['a body that trickles in', drip],
  ])('ends when the hive sends the head of a response and %s', async (_what, silent) => {
    silence = silent;
    await expect(client.listModels(hive)).rejects.toMatchObject({ code: 'HIVE_UNAVAILABLE' });
  });

  it('ends when the response is endless', async () => {
    silence = pour;
    const patient = createHiveClient({ dispatcher, token: null, deadline: () => new AbortController().signal });
    await expect(patient.listModels(hive)).rejects.toMatchObject({
      message: 'the request to the hive hive-a failed: its response is larger than 65536 KiB',
    });
  });
});

function flushHead(response: ServerResponse): void {
  response.writeHead(200).flushHeaders();
  setTimeout(() => passDeadline(), 20);
}

/** A byte now and then: a timeout between two bytes would never end it. */
function drip(response: ServerResponse): void {
  let drips = 0;
  const timer = setInterval(() => {
    response.write(' ');
    drips += 1;
    if (drips === DRIPS) passDeadline();
  }, 10);
  response.writeHead(200).once('close', () => clearInterval(timer));
}

function pour(response: ServerResponse): void {
  while (response.write('x'.repeat(65_536)));
  response.once('drain', () => pour(response));
}
