import { createConnectionBudget } from '@rbee/transfer';
import { describe, expect, it } from 'vitest';
import { fetchFiles } from '../../src/downloads/fetch-files.ts';
import type { SourceFile } from '../../src/sources/source.ts';

const MiB = 2 ** 20;
const LONG = 17 * MiB;
const SMALL = 16 * MiB;

function fileOf(path: string, size: number | null, more: Partial<SourceFile> = {}): SourceFile {
  const locate = () => Promise.reject(new Error('nothing is fetched here'));
  return { path, blobName: path, size, sha256: null, gitSha1: null, locate, ...more };
}

/** A run of `fetchFiles` in which the test decides when each file ends. */
async function started(files: readonly SourceFile[], maxConnections: number) {
  const running = new Map<string, PromiseWithResolvers<string>>();
  const begun: string[] = [];
  const controller = new AbortController();
  const connections = createConnectionBudget(maxConnections);
  const done = fetchFiles(files, {
    connections,
    signal: controller.signal,
    async fetch({ path }, _index, budget, signal) {
      begun.push(path);
      await budget?.acquire(signal);
      const end = Promise.withResolvers<string>();
      running.set(path, end);
      signal.addEventListener('abort', () => end.reject(signal.reason));
      try {
        return await end.promise;
      } finally {
        running.delete(path);
        budget?.release();
      }
    },
  });
  done.catch(() => {});
  /** Everything that a change causes has happened once the microtask queue is empty. */
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  await settled();
  return {
    done,
    begun,
    connections,
    abort: (reason: unknown) => controller.abort(reason),
    names: () => [...running.keys()].sort(),
    async end(path: string): Promise<void> {
      running.get(path)?.resolve(`digest of ${path}`);
      await settled();
    },
    async fail(path: string, error: unknown): Promise<void> {
      running.get(path)?.reject(error);
      await settled();
    },
  };
}

describe('the files of a download', () => {
  it('are fetched one after the other if they are long, with small ones alongside on all other connections', async () => {
    const small = ['a', 'b', 'c', 'd'].map((path) => fileOf(path, SMALL));
    const run = await started([fileOf('one', LONG), ...small, fileOf('two', LONG)], 4);
    expect(run.names()).toEqual(['a', 'b', 'c', 'one']);
    await run.end('b');
    expect(run.names()).toEqual(['a', 'c', 'd', 'one']);
    await run.end('one');
    expect(run.names()).toEqual(['a', 'c', 'd', 'two']);
    for (const path of ['two', 'd', 'a', 'c']) await run.end(path);
    expect(await run.done).toEqual(['one', 'a', 'b', 'c', 'd', 'two'].map((path) => `digest of ${path}`));
  });

  it('count as long if their size is unknown or they are copied on this machine', async () => {
    const local = { local: { path: '/there' } } as unknown as Partial<SourceFile>;
    const run = await started([fileOf('unknown', null), fileOf('copied', 1, local), fileOf('small', 1)], 8);
    expect(run.names()).toEqual(['small', 'unknown']);
    await run.end('unknown');
    expect(run.names()).toEqual(['copied', 'small']);
    for (const path of ['copied', 'small']) await run.end(path);
    expect(await run.done).toHaveLength(3);
  });

  it('are fetched one after the other, small ones first, over a single connection', async () => {
    const run = await started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1)], 1);
    expect(run.names()).toEqual(['a']);
    await run.end('a');
    expect(run.names()).toEqual(['b']);
    await run.end('b');
    expect(run.names()).toEqual(['long']);
    await run.end('long');
    expect(await run.done).toHaveLength(3);
  });

  it('leave their connections to the long one when no small one is left', async () => {
    const run = await started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1)], 3);
    expect(run.connections.tryAcquire()).toBe(false);
    await run.end('a');
    expect(run.connections.tryAcquire()).toBe(true);
    expect(run.connections.tryAcquire()).toBe(false);
    run.connections.release();
    for (const path of ['b', 'long']) await run.end(path);
    await run.done;
    for (let each = 0; each < 3; each += 1) expect(run.connections.tryAcquire()).toBe(true);
    expect(run.connections.tryAcquire()).toBe(false);
  });

  it('have all connections if none of them is long', async () => {
    const run = await started([fileOf('a', 1), fileOf('b', 1), fileOf('c', 1)], 2);
    expect(run.names()).toEqual(['a', 'b']);
    for (const path of ['a', 'b', 'c']) await run.end(path);
    expect(await run.done).toHaveLength(3);
  });

  it('all stop at the first error, which is thrown when they have', async () => {
    const run = await started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1), fileOf('c', 1)], 3);
    const error = new Error('not found');
    let runningAtTheEnd: readonly string[] = ['nothing yet'];
    const ended = run.done.catch((reason: unknown) => {
      runningAtTheEnd = run.names();
      return reason;
    });
    await run.fail('b', error);
    expect(await ended).toBe(error);
    expect(runningAtTheEnd).toEqual([]);
    expect(run.begun).toEqual(['a', 'b', 'long']);
  });

  it('all stop at an abort, with its reason', async () => {
    const run = await started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1)], 2);
    const reason = new Error('cancelled');
    run.abort(reason);
    await expect(run.done).rejects.toBe(reason);
    expect(run.begun).toEqual(['a', 'long']);
    expect(run.names()).toEqual([]);
  });
});
