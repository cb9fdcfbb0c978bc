import { describe, expect, it } from 'vitest';
import { fetchAll } from '../../src/downloads/fetch-all.ts';
import type { SourceFile } from '../../src/sources/source.ts';

const MiB = 2 ** 20;
const LONG = 17 * MiB;
const SMALL = 16 * MiB;

function fileOf(path: string, size: number | null, more: Partial<SourceFile> = {}): SourceFile {
  const locate = () => Promise.reject(new Error('nothing is fetched here'));
  return { path, blobName: path, size, sha256: null, gitSha1: null, locate, ...more };
}

/** Files whose ends the test decides, and what runs at each moment. */
function started(files: readonly SourceFile[], maxConnections: number) {
  const running = new Map<string, PromiseWithResolvers<string>>();
  const begun: string[] = [];
  const controller = new AbortController();
  const done = fetchAll(files, {
    maxConnections,
    signal: controller.signal,
    async fetch({ path }, _index, signal) {
      begun.push(path);
      const end = Promise.withResolvers<string>();
      running.set(path, end);
      signal.addEventListener('abort', () => end.reject(signal.reason));
      try {
        return await end.promise;
      } finally {
        running.delete(path);
      }
    },
  });
  done.catch(() => {});
  return {
    done,
    begun,
    abort: (reason: unknown) => controller.abort(reason),
    names: () => [...running.keys()].sort(),
    async end(path: string): Promise<void> {
      running.get(path)?.resolve(`digest of ${path}`);
      // All that follows from it has been done when the queue of promises is empty.
      await new Promise((resolve) => setImmediate(resolve));
    },
    async fail(path: string, error: unknown): Promise<void> {
      running.get(path)?.reject(error);
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe('the files of a download', () => {
  it('are fetched one after the other where they are long, and the small ones beside them, one place left for the long', async () => {
    const small = ['a', 'b', 'c', 'd'].map((path) => fileOf(path, SMALL));
    const run = started([fileOf('one', LONG), ...small, fileOf('two', LONG)], 4);
    expect(run.names()).toEqual(['a', 'b', 'c', 'one']);
    await run.end('b');
    expect(run.names()).toEqual(['a', 'c', 'd', 'one']);
    await run.end('one');
    expect(run.names()).toEqual(['a', 'c', 'd', 'two']);
    for (const path of ['two', 'd', 'a', 'c']) await run.end(path);
    expect(await run.done).toEqual(['one', 'a', 'b', 'c', 'd', 'two'].map((path) => `digest of ${path}`));
  });

  it('are long where their size is unknown or where they are copied on this machine', async () => {
    const local = { local: { path: '/there' } } as unknown as Partial<SourceFile>;
    const run = started([fileOf('unknown', null), fileOf('copied', 1, local), fileOf('small', 1)], 8);
    expect(run.names()).toEqual(['small', 'unknown']);
    await run.end('unknown');
    expect(run.names()).toEqual(['copied', 'small']);
    for (const path of ['copied', 'small']) await run.end(path);
    expect(await run.done).toHaveLength(3);
  });

  it('are two at once at most where one connection is all there is', async () => {
    const run = started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1)], 1);
    expect(run.names()).toEqual(['a', 'long']);
    for (const path of ['a', 'long', 'b']) await run.end(path);
    expect(await run.done).toHaveLength(3);
  });

  it('all stop at the first error, which is told when they have', async () => {
    const run = started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1), fileOf('c', 1)], 3);
    const error = new Error('not found');
    let runningAtTheEnd: readonly string[] = ['nothing yet'];
    const ended = run.done.catch((reason: unknown) => {
      runningAtTheEnd = run.names();
      return reason;
    });
    await run.fail('b', error);
    expect(await ended).toBe(error);
    expect(runningAtTheEnd).toEqual([]);
    expect(run.begun).toEqual(['long', 'a', 'b']);
  });

  it('all stop at an abort, with its reason', async () => {
    const run = started([fileOf('long', LONG), fileOf('a', 1), fileOf('b', 1)], 2);
    const reason = new Error('cancelled');
    run.abort(reason);
    await expect(run.done).rejects.toBe(reason);
    expect(run.begun).toEqual(['long', 'a']);
    expect(run.names()).toEqual([]);
  });
});
