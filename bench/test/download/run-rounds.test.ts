import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { findCommand, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RoundsOptions, runRounds } from '../../src/download/run-rounds.ts';

const path = process.env.PATH ?? '';
const isInstalled = ['curl', 'openssl'].every((name) => findCommand(name, path) !== null);
const content = randomBytes(1_000_000);
const sha256 = createHash('sha256').update(content).digest('hex');
let folder: TempDir;
let originals: TempDir;
let originalPath: string;
let server: Server;

beforeEach(async () => {
  folder = await tempDir();
  originals = await tempDir();
  originalPath = join(originals.path, 'model.bin');
  await writeFile(originalPath, content);
  server = createServer((_request, response) => response.end(content)).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await folder.remove();
  await originals.remove();
});

function options(change: Partial<RoundsOptions> = {}): RoundsOptions {
  const hubUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let originCpuSeconds = 0;
  const cpuSeconds = (): number => {
    originCpuSeconds += 0.5;
    return originCpuSeconds;
  };
  return {
    clients: ['curl-openssl', 'curl'],
    fullMemory: false,
    rounds: 2,
    connections: 1,
    origin: { url: `${hubUrl}/model.bin`, hubUrl, caFile: null, cpuSeconds, stop: async () => {} },
    file: { path: originalPath, sizeBytes: content.length, sha256 },
    folder: folder.path,
    path,
    signal: new AbortController().signal,
    onRun: () => {},
    ...change,
  };
}

describe.runIf(isInstalled)('runRounds', () => {
  test('lets the clients take turns, discards the first round and leaves nothing behind', async () => {
    const order: string[] = [];
    const samples = await runRounds(options({ onRun: (round, client) => void order.push(`${round} ${client}`) }));
    expect(order).toEqual(['0 curl-openssl', '0 curl', '1 curl-openssl', '1 curl', '2 curl-openssl', '2 curl']);
    expect([samples['curl-openssl']?.length, samples.curl?.length]).toEqual([2, 2]);
    const [sample] = samples.curl ?? [];
    expect(sample?.mbPerSecond).toBeCloseTo(1 / (sample?.seconds ?? 0));
    expect(sample?.originCpuSecondsPerGib).toBeCloseTo((0.5 * 1024 ** 3) / 1e6);
    expect(await readdir(folder.path)).toEqual([]);
  });

  test('fails on a wrong file and names its client', async () => {
    const file = { path: originalPath, sizeBytes: content.length, sha256: '0'.repeat(64) };
    await expect(runRounds(options({ file }))).rejects.toThrow('curl-openssl fetched a wrong file');
  });

  test('fails when a client fails', async () => {
    server.removeAllListeners('request');
    server.on('request', (_request, response) => response.writeHead(404).end());
    await expect(runRounds(options())).rejects.toThrow('404');
  });
});
