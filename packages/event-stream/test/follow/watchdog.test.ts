import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBodyReader, type StreamBody } from '../../src/follow/body-reader.ts';
import { createWatchdog } from '../../src/follow/watchdog.ts';
import { encodeComment } from '../../src/frame.ts';

// Goal: a silent connection is aborted and any byte keeps it, a comment too. Method: fake timers.

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }));
afterEach(() => void vi.useRealTimers());

describe('a watchdog', () => {
  it('aborts its target after the silence, and not while there is activity', () => {
    const watchdog = createWatchdog(1_000);
    const target = new AbortController();
    watchdog.watch(target);
    for (let count = 0; count < 10; count += 1) {
      vi.advanceTimersByTime(900);
      watchdog.refresh();
    }
    expect(target.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(target.signal.reason).toMatchObject({ message: 'no byte for 1000 ms' });
    watchdog.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('watches the next target in place of the one before', () => {
    const watchdog = createWatchdog(1_000);
    const [first, second] = [new AbortController(), new AbortController()];
    watchdog.watch(first);
    vi.advanceTimersByTime(900);
    watchdog.watch(second);
    vi.advanceTimersByTime(900);
    expect([first.signal.aborted, second.signal.aborted]).toEqual([false, false]);
    vi.advanceTimersByTime(100);
    expect([first.signal.aborted, second.signal.aborted]).toEqual([false, true]);
    watchdog.stop();
  });

  it('is refreshed by each chunk of a body, also by one that is only a comment', async () => {
    const watchdog = createWatchdog(1_000);
    const target = new AbortController();
    watchdog.watch(target);
    const read = async () => ({ done: false as const, value: encodeComment('here').plain });
    const reader = createBodyReader({ read } as unknown as StreamBody, {
      maxEventChars: 1_000,
      onActivity: watchdog.refresh,
      onEnd: () => {},
    });
    for (let count = 0; count < 10; count += 1) {
      vi.advanceTimersByTime(900);
      await reader.read();
    }
    expect(target.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(target.signal.aborted).toBe(true);
    watchdog.stop();
  });
});
