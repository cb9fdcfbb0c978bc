import type { TransferState } from '@rbee/transfer';
import { describe, expect, it } from 'vitest';
import { type BlobWatcher, SingleFlight } from '../../src/downloads/single-flight.ts';

const never = new AbortController().signal;

function createWatcher() {
  const bytes: number[] = [];
  const watcher: BlobWatcher = { onState: (state) => bytes.push(state.bytes), onNotice: () => {} };
  return { bytes, watcher };
}

function stateAt(bytes: number): TransferState {
  return { phase: 'downloading', bytes, total: 100, reused: 0, wasted: 0, attempt: 1, connections: 1 };
}

describe('[J1] a blob that two downloads need', () => {
  it('is fetched once, and both get its progress', async () => {
    const flights = new SingleFlight();
    const [first, second] = [createWatcher(), createWatcher()];
    const { promise, resolve } = Promise.withResolvers<string>();
    let all: BlobWatcher | null = null;
    const leading = flights.run('blob', first.watcher, never, (watcher) => {
      all = watcher;
      watcher.onState(stateAt(10));
      return promise;
    });
    const joining = flights.run('blob', second.watcher, never, async () => 'found');
    (all as BlobWatcher | null)?.onState(stateAt(20));
    resolve('fetched');
    expect(await leading).toBe('fetched');
    expect(await joining).toBe('found');
    expect(first.bytes).toEqual([10, 20]);
    expect(second.bytes).toEqual([10, 20]);
  });

  it('is fetched by the second when the first stops without it', async () => {
    const flights = new SingleFlight();
    const { promise, reject } = Promise.withResolvers<string>();
    const leading = flights.run('blob', createWatcher().watcher, never, () => promise);
    const joining = flights.run('blob', createWatcher().watcher, never, async () => 'taken over');
    reject(new Error('cancelled'));
    await expect(leading).rejects.toThrow('cancelled');
    expect(await joining).toBe('taken over');
  });

  it('still has a caller between the end of the first and the takeover by the second, and none after that', async () => {
    const flights = new SingleFlight();
    const { promise, reject } = Promise.withResolvers<string>();
    const needed: boolean[] = [];
    const note = () => void needed.push(flights.has('blob'));
    const leading = flights
      .run('blob', createWatcher().watcher, never, () => promise.finally(() => queueMicrotask(note)))
      .catch(note);
    const joining = flights.run('blob', createWatcher().watcher, never, async () => 'taken over');
    reject(new Error('cancelled'));
    await leading;
    await joining;
    expect([...needed, flights.has('blob')]).toEqual([true, true, false]);
  });

  it('is fetched by one caller at a time when many take over', async () => {
    const flights = new SingleFlight();
    const { promise, reject } = Promise.withResolvers<string>();
    const leading = flights.run('blob', createWatcher().watcher, never, () => promise);
    let running = 0;
    let maxRunning = 0;
    const others = Array.from({ length: 5 }, () =>
      flights.run('blob', createWatcher().watcher, never, async () => {
        running += 1;
        maxRunning = Math.max(maxRunning, running);
        await new Promise((resolve) => setImmediate(resolve));
        running -= 1;
        return 'done';
      }),
    );
    reject(new Error('cancelled'));
    await expect(leading).rejects.toThrow();
    expect(await Promise.all(others)).toEqual(Array(5).fill('done'));
    expect(maxRunning).toBe(1);
  });

  it('is no longer waited for after an abort', async () => {
    const flights = new SingleFlight();
    void flights.run('blob', createWatcher().watcher, never, () => new Promise(() => {}));
    const controller = new AbortController();
    const second = createWatcher();
    const joining = flights.run('blob', second.watcher, controller.signal, async () => 'never');
    controller.abort(new Error('enough'));
    await expect(joining).rejects.toThrow('enough');
  });
});
