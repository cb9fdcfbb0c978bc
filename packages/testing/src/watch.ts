export interface WaitOptions {
  /** Milliseconds until the wait is given up. */
  readonly timeoutMs?: number;
}

export interface Watch {
  /** Something happened: every waiting condition is looked at again. */
  poke(): void;
  /** Resolves when the condition holds; rejects with `what` and the state when it does not in time. */
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Nothing more will happen: waits whose condition does not hold now are rejected, also those that come later. */
  end(reason: string): void;
}

const defaultTimeoutMs = 10_000;
/** A condition may look at things that nobody announces, such as a file; it is looked at this often anyway. */
const pollMs = 100;

/**
 * Waiting for a condition without sleeping: the owner of what is watched calls `poke` at each change.
 * @param describe what a failed wait says of the state.
 */
export function createWatch(describe: () => string): Watch {
  const checks = new Set<() => void>();
  let ended: string | null = null;

  function waitFor(condition: () => boolean, what: string, options: WaitOptions = {}): Promise<void> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void): void => {
        clearInterval(poll);
        clearTimeout(deadline);
        checks.delete(check);
        finish();
      };
      const fail = (why: string): void =>
        settle(() => reject(new Error(`${why} while waiting for: ${what}\n${describe()}`)));
      const check = (): void => {
        let holds: boolean;
        try {
          holds = condition();
        } catch (error) {
          settle(() => reject(error));
          return;
        }
        if (holds) settle(resolve);
        else if (ended !== null) fail(ended);
      };
      const poll = setInterval(() => check(), pollMs);
      // The condition is looked at once more, so that a machine too busy to poke in time does not fail the wait.
      const deadline = setTimeout(() => {
        check();
        if (checks.has(check)) fail(`gave up after ${timeoutMs} ms`);
      }, timeoutMs);
      checks.add(check);
      check();
    });
  }

  return {
    poke() {
      for (const check of [...checks]) check();
    },
    waitFor,
    end(reason) {
      ended ??= reason;
      for (const check of [...checks]) check();
    },
  };
}
