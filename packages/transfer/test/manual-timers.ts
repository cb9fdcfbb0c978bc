import { onTestFinished, vi } from 'vitest';
import { generousTimeoutMs } from './fixture.ts';

export interface ManualTimers {
  pass(ms: number): void;
  /** Lets limits end until that is so; what arrives meanwhile still arrives. */
  passUntil(isSo: () => boolean): Promise<void>;
}

/**
 * From here on the timers of this test run only when it says so: a limit is over when the test wants that, and never because the machine is
 * busy. Sockets and files work as ever.
 */
export function manualTimers(): ManualTimers {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  const pass = (ms: number) => void vi.advanceTimersByTime(ms);
  return {
    pass,
    passUntil: async (isSo) => {
      while (!isSo()) {
        pass(generousTimeoutMs);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}
