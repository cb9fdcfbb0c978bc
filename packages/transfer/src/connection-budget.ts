/**
 * A semaphore for connections, shared by several transfers. Each transfer waits for its first connection, and acquires more only while
 * nobody waits for a first one.
 */
export interface ConnectionBudget {
  readonly limit: number;
  /** How many the last long file made good use of: where the next one starts. */
  usual: number;
  /** A transfer waits for its first connection: one with several should release one. */
  readonly isWanted: boolean;
  /** Waits for a connection. Rejects with the signal's reason on abort. */
  acquire(signal: AbortSignal): Promise<void>;
  tryAcquire(): boolean;
  release(): void;
}

export function createConnectionBudget(limit: number): ConnectionBudget {
  let acquired = 0;
  const waiting = new Set<() => void>();
  return {
    limit,
    usual: 1,
    get isWanted() {
      return waiting.size > 0;
    },
    acquire: (signal) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      if (acquired < limit) {
        acquired += 1;
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
      if (acquired >= limit) return false;
      acquired += 1;
      return true;
    },
    release: () => {
      const [next] = waiting;
      // Handed over directly, so that no transfer that already has one gets it.
      if (next === undefined) acquired -= 1;
      else next();
    },
  };
}
