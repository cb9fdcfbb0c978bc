export interface WaitOptions {
  /** When the wait fails; 30 s by default. */
  readonly timeoutMs?: number;
}

export interface Watch {
  /** Something happened: checks every waiting condition again. */
  poke(): void;
  /** Resolves when the condition holds; rejects with `what` and the state when it does not hold in time. */
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Nothing more will happen: rejects current and later waits whose condition does not hold. */
  end(reason: string): void;
}

/** Only a wait that hangs takes this long, so it is generous enough for a busy machine. */
const defaultTimeoutMs = 30_000;
/** A condition may depend on something that nobody announces, such as a file, so it is also checked this often. */
const pollMs = 100;

/**
 * Waits for conditions without sleeping: the owner of the state calls `poke` at each change.
 * @param describe the state, for the message of a failed wait.
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
      // One last check, so that a machine too busy to poke in time does not fail the wait.
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
