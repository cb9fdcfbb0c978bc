import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateBytes, startHub, type TestHub } from '@rbee/testing';
import { Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type TransferState, transferFile } from '../src/index.ts';
import { loadJournal, readBootId } from '../src/partial/journal.ts';
import { bytesOf } from '../src/partial/spans.ts';

/*
 * Goal: a file above the size that a CDN sends whole is fetched in ranges, and resumed. Method: 60 GiB that are generated while they are
 * read; the transfer is stopped after some, twice. A failure shows as a refusal, or as other bytes on disk.
 */
const MiB = 2 ** 20;
const file = { size: 60 * 2 ** 30, seed: 60, hasMadeUpDigests: true } as const;
const sha256 = 'ab'.repeat(32);

let hub: TestHub;
let folder: string;
const dispatcher = new Agent({ allowH2: false });
beforeAll(async () => {
  hub = await startHub();
  hub.addRepo({ id: 'org/large', files: { 'model.gguf': file } });
  folder = await mkdtemp(join(tmpdir(), 'rbee-large-'));
});
afterAll(async () => {
  await dispatcher.destroy();
  await hub.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs until so many bytes are there; returns its states. */
async function runUntil(path: string, bytes: number, maxConnections: number): Promise<readonly TransferState[]> {
  const abort = new AbortController();
  const states: TransferState[] = [];
  const run = transferFile(
    {
      locate: async () => ({ url: hub.signedUrl('org/large', 'model.gguf') }),
      partialPath: path,
      finalPath: join(folder, 'model.gguf'),
      size: file.size,
      sha256,
      gitSha1: null,
      name: 'model.gguf',
    },
    {
      ...{ signal: abort.signal, dispatcher, maxConnections, headersTimeoutMs: 60_000, stallTimeoutMs: 60_000 },
      retry: { attempts: 1, baseDelayMs: 1, maxDelayMs: 1 },
      onNotice: () => {},
      onState: (state) => {
        states.push(state);
        if (state.bytes >= bytes) abort.abort(new Error('enough'));
      },
    },
  );
  await expect(run).rejects.toThrow('enough');
  return states;
}

/** Compares every claimed byte with that of the file; returns how many they are. */
async function expectRightBytes(path: string): Promise<number> {
  const loaded = await loadJournal(path, await readBootId());
  if (loaded.state !== 'read') throw new Error(`the journal is ${loaded.state}`);
  const handle = await open(path, 'r');
  try {
    for (const [start, end] of loaded.journal.ranges) {
      const { buffer } = await handle.read(Buffer.alloc(end - start), 0, end - start, start);
      expect(buffer.equals(generateBytes(file, start, end))).toBe(true);
    }
  } finally {
    await handle.close();
  }
  return bytesOf(loaded.journal.ranges);
}

describe.each([1, 8])('60 GiB over at most %i connections', (maxConnections) => {
  test('[A3] from a CDN that refuses a GET without Range are fetched and resumed with the right plan', async () => {
    const path = join(folder, `blob-${maxConnections}.incomplete`);
    hub.clearRequests();
    await runUntil(path, 64 * MiB, maxConnections);
    const kept = await expectRightBytes(path);
    expect(kept).toBeGreaterThanOrEqual(48 * MiB);
    const [resumed] = await runUntil(path, kept + 16 * MiB, maxConnections);
    expect(resumed).toMatchObject({ reused: kept, bytes: kept, total: file.size, wasted: 0 });
    await expectRightBytes(path);
    const requests = hub.requests.filter(({ server }) => server === 'cdn');
    expect(new Set(requests.map(({ status }) => status))).toEqual(new Set([206]));
    const starts = requests.map(({ range }) => Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1]));
    expect(starts[0]).toBe(0);
    expect(Math.max(...starts)).toBeGreaterThanOrEqual(32 * MiB);
    expect(new Set(starts).size).toBe(starts.length);
  });
});
