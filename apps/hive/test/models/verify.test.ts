import { modelIdOf } from '@rbee/contract';
import { type Line, withListener } from '@rbee/jobs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyModels } from '../../src/models/verify.ts';
import type { Store } from '../../src/store/store.ts';
import { COMMIT, openTestStore, type TestStore } from '../store/support.ts';

// Goal: a verify says that it continues, and ends when it is cancelled. Method: the clock is moved while a file is read.

let test: TestStore;
beforeEach(async () => {
  test = await openTestStore();
  await test.download([{ path: 'a.gguf', content: 'first' }]);
  await test.download([{ path: 'b.gguf', content: 'second' }]);
});
afterEach(() => test.folder.remove());

async function verifyWith(onModel: () => void, signal: AbortSignal) {
  const lines: Line[] = [];
  const store: Store = {
    ...test.store,
    async verify(model, options) {
      const verified = await test.store.verify(model, options);
      onModel();
      return verified;
    },
  };
  const deps = { clock: test.clock, store, heartbeatIntervalMs: 10_000 };
  const running = withListener({ onLine: (line) => lines.push(line) }, () => verifyModels(deps, null, signal));
  return { running, lines };
}

describe('a verify of all models', () => {
  it('narrates its progress at each interval, and stops at its end', async () => {
    const { running, lines } = await verifyWith(() => test.clock.advance(10_000), new AbortController().signal);
    expect((await running).models.map(({ ok }) => ok)).toEqual([true, true]);
    test.clock.advance(60_000);
    expect(lines.map(({ action, human }) => (action === 'verify_progress' ? human : action))).toEqual([
      'verify_start',
      '⏳ Still verifying a.gguf (0 B of 11 B done)',
      'verify_ok',
      '⏳ Still verifying b.gguf (5 B of 11 B done)',
      'verify_ok',
    ]);
    expect(test.clock.pending).toBe(0);
  });

  it('ends when it is cancelled, without further narration', async () => {
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const { running, lines } = await verifyWith(() => controller.abort(reason), controller.signal);
    await expect(running).rejects.toBe(reason);
    test.clock.advance(60_000);
    expect(lines.map(({ action }) => action)).toEqual(['verify_start', 'verify_ok']);
  });

  it('refuses an unknown id right away', async () => {
    const deps = { clock: test.clock, store: test.store, heartbeatIntervalMs: 10_000 };
    const { signal } = new AbortController();
    await expect(verifyModels(deps, modelIdOf(`hf:org/none@${COMMIT}`), signal)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });
});
