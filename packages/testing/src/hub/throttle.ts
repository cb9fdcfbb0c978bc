import { EventEmitter } from 'node:events';

/** The speed of bodies: one rate for all connections, with an allowance for each. */
export interface Throttle {
  /** Bytes per second for each connection; null is unlimited, 0 stops all bodies. */
  rate: number | null;
  /** A new connection's allowance. */
  open(): Allowance;
}

interface Allowance {
  /** Waits until bytes may be sent and returns how many, at least 1. 0 only when the signal is aborted. */
  take(wanted: number, signal: AbortSignal): Promise<number>;
}

/** The flow is cut into slices of about this length, so that its speed looks steady. */
const sliceMs = 20;
/** How much an idle connection may catch up. */
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

/** Waits until the time has passed (never, for null), the rate changes or the signal aborts. */
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
