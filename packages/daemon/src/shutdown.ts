/** What a drain may take. */
const DRAIN_LIMIT_MS = 10_000;

export interface ShutdownDeps {
  /** Stops the daemon; its steps in order. */
  readonly drain: () => Promise<void>;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  readonly exit: (code: number) => void;
}

/**
 * Ends the process with 0 on SIGTERM, on SIGINT, and when the IPC channel of a parent that started it closes (so that
 * no daemon outlives a keeper that was killed). The drain takes 10 s at most.
 */
export function endOnSignal(deps: ShutdownDeps): void {
  let ending = false;
  const end = (reason: string) => {
    if (ending) return;
    ending = true;
    deps.log.info({ reason }, 'draining');
    const limit = setTimeout(() => deps.exit(0), DRAIN_LIMIT_MS);
    void deps
      .drain()
      .catch((error: unknown) => deps.log.error({ err: error }, 'the drain failed'))
      .finally(() => {
        clearTimeout(limit);
        deps.exit(0);
      });
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  if (process.connected) process.on('disconnect', () => end('parent is gone'));
}
