import { readFile, stat } from 'node:fs/promises';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { findCommand, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf, makeContent } from '../../src/origin/content.ts';
import { type Origin, type OriginOptions, startOrigin } from '../../src/origin/origin.ts';

const path = process.env.PATH ?? '';
const nginx = findCommand('nginx', path);
const openssl = findCommand('openssl', path);
const signal = new AbortController().signal;
const sizeBytes = 3_000_001;
let folder: TempDir;

beforeEach(async () => {
  folder = await tempDir();
});
afterEach(() => folder.remove());

describe('content', () => {
  test('has the size and the digest it says, and is the same each time', async () => {
    const [one, two] = [join(folder.path, 'one'), join(folder.path, 'two')];
    const sha256 = await makeContent(one, sizeBytes, signal);
    expect((await stat(one)).size).toBe(sizeBytes);
    expect(await digestOf(one, signal)).toBe(sha256);
    expect(await makeContent(two, sizeBytes, signal)).toBe(sha256);
  });

  test('stops when aborted', async () => {
    const aborted = AbortSignal.abort(new Error('stopped'));
    await expect(makeContent(join(folder.path, 'file'), sizeBytes, aborted)).rejects.toThrow('stopped');
  });
});

describe.runIf(nginx !== null)('origin', () => {
  let origin: Origin;
  let content: string;

  async function start(change: Partial<OriginOptions> = {}): Promise<string> {
    content = join(folder.path, 'content');
    const sha256 = await makeContent(content, sizeBytes, signal);
    const file = { path: content, sizeBytes, sha256 };
    const plain = { isTls: false, serverBytesPerSecondEach: null, line: null };
    origin = await startOrigin({ folder: folder.path, file, nginx: nginx ?? '', ...plain, ...change }, signal);
    return sha256;
  }
  afterEach(() => origin.stop());

  test('serves the file whole and in ranges', async () => {
    await start();
    const whole = await fetch(origin.url);
    const bytes = await readFile(content);
    expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
    const range = await fetch(origin.url, { headers: { range: 'bytes=1000-1999' } });
    expect([range.status, range.headers.get('content-range')]).toEqual([206, `bytes 1000-1999/${sizeBytes}`]);
    expect(Buffer.from(await range.arrayBuffer()).equals(bytes.subarray(1000, 2000))).toBe(true);
  });

  test('answers the requests that a client of the hub sends first', async () => {
    const sha256 = await start();
    const info = await fetch(`${origin.hubUrl}/api/models/bench/model/paths-info/main`, { method: 'POST', body: '{}' });
    expect(await info.json()).toMatchObject([{ path: 'model.bin', size: sizeBytes, lfs: { oid: sha256 } }]);
    const file = await fetch(`${origin.hubUrl}/bench/model/resolve/main/model.bin`);
    expect((await file.arrayBuffer()).byteLength).toBe(sizeBytes);
  });

  test.runIf(openssl !== null)('is trusted over TLS by a client with its certificate', async () => {
    await start({ isTls: true });
    const { url, caFile } = origin;
    const ca = await readFile(caFile ?? '');
    const size = await new Promise<number>((resolve, reject) => {
      get(
        url,
        { ca, agent: false },
        (response) => void buffer(response).then(({ length }) => resolve(length), reject),
      ).on('error', reject);
    });
    expect(size).toBe(sizeBytes);
    await expect(fetch(url)).rejects.toThrow();
  });

  test('puts the line in front of the server', async () => {
    await start({ line: { delayMs: 25, bytesPerSecond: 60e6 } });
    const startedMs = performance.now();
    const answer = await fetch(origin.url);
    expect((await answer.arrayBuffer()).byteLength).toBe(sizeBytes);
    // The delay both ways, and the time on the line.
    expect(performance.now() - startedMs).toBeGreaterThan(2 * 25 + sizeBytes / 60_000 - 2);
  });

  test('is gone once it is stopped', async () => {
    await start();
    const port = Number(new URL(origin.url).port);
    await origin.stop();
    const error = await new Promise((resolve) => connect({ host: '127.0.0.1', port }).once('error', resolve));
    expect(error).toMatchObject({ code: 'ECONNREFUSED' });
  });
});
