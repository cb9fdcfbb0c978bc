/**
 * Connections that several transfers share. Each transfer waits for its first one and takes more only while there are
 * some left that nobody waits for.
 */
export interface ConnectionBudget {
  readonly limit: number;
  /** How many of them the last long file found worth having: where the next one begins. */
  usual: number;
  /** Somebody waits for a first connection: whoever has several should give one back. */
  readonly isWanted: boolean;
  /** Waits for a connection. Rejects with the signal's reason on abort. */
  acquire(signal: AbortSignal): Promise<void>;
  tryAcquire(): boolean;
  release(): void;
}

export function createConnectionBudget(limit: number): ConnectionBudget {
  let taken = 0;
  const waiting = new Set<() => void>();
  return {
    limit,
    usual: 1,
    get isWanted() {
      return waiting.size > 0;
    },
    acquire: (signal) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (taken < limit) {
        taken += 1;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const leave = () => {
          waiting.delete(go);
          reject(signal.reason);
        };
        const go = () => {
          waiting.delete(go);
          signal.removeEventListener('abort', leave);
          resolve();
        };
        waiting.add(go);
        signal.addEventListener('abort', leave, { once: true });
      });
    },
    tryAcquire: () => {
      if (taken >= limit) return false;
      taken += 1;
      return true;
    },
    release: () => {
      const [next] = waiting;
      // It goes from hand to hand, so that nobody takes it who has one already.
      if (next === undefined) taken -= 1;
      else next();
    },
  };
}
