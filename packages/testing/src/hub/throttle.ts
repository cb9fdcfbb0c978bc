import { EventEmitter } from 'node:events';

/** How fast bodies may flow: one for all connections, each with an allowance of its own. */
export interface Throttle {
  /** Bytes per second for each connection; null is unlimited, 0 holds all bodies where they are. */
  rate: number | null;
  /** A new connection's allowance. */
  open(): Allowance;
}

interface Allowance {
  /** How many bytes may go now, at least 1; waits for them. 0 only when the signal is aborted. */
  take(wanted: number, signal: AbortSignal): Promise<number>;
}

/** The flow is cut into pieces of about this time, so that it looks smooth to who measures it. */
const sliceMs = 20;
/** What an idle connection may catch up on. */
const burstMs = 2 * sliceMs;
const maxReaders = 100_000;

export function createThrottle(initial: number | null): Throttle {
  const changes = new EventEmitter().setMaxListeners(maxReaders);
  let rate = initial;
  return {
    get rate() {
      return rate;
    },
    set rate(value) {
      if (value !== null && !(value >= 0)) throw new Error(`not a rate: ${value}`);
      rate = value;
      changes.emit('change');
    },
    open: () => createAllowance(() => rate, changes),
  };
}

function createAllowance(rate: () => number | null, changes: EventEmitter): Allowance {
  let credit = 0;
  let at = performance.now();
  return {
    async take(wanted, signal) {
      while (!signal.aborted) {
        const limit = rate();
        if (limit === null) return wanted;
        const now = performance.now();
        credit = Math.min(credit + (limit * (now - at)) / 1000, Math.max(1, (limit * burstMs) / 1000));
        at = now;
        const least = Math.min(wanted, Math.max(1, (limit * sliceMs) / 1000));
        if (credit >= least) {
          const taken = Math.min(wanted, Math.floor(credit));
          credit -= taken;
          return taken;
        }
        await pause(limit === 0 ? null : ((least - credit) / limit) * 1000, changes, signal);
      }
      return 0;
    },
  };
}

/** Until the time is over (never, for null), the rate changes or the signal is aborted. */
function pause(ms: number | null, changes: EventEmitter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      changes.off('change', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = ms === null ? undefined : setTimeout(done, Math.ceil(ms));
    changes.on('change', done);
    signal.addEventListener('abort', done);
  });
}
