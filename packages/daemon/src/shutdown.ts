import { isatty } from 'node:tty';

/** What a drain may take. */
const DRAIN_LIMIT_MS = 10_000;
const STDOUT = 1;

export interface ShutdownDeps {
  /** Stops the daemon; its steps in order. */
  readonly drain: () => Promise<void>;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  readonly exit: (code: number) => void;
  /** Reads the settings again. */
  readonly reload: () => void;
}

/**
 * Ends the process with 0 on SIGTERM, on SIGINT, and when the IPC channel of a parent that started it closes (so that
 * no daemon outlives a keeper that was killed). The drain takes 10 s at most. SIGHUP reloads, and ends a daemon whose
 * terminal is gone.
 */
export function obeySignals(deps: ShutdownDeps): void {
  let ending = false;
  const end = (reason: string) => {
    if (ending) return;
    ending = true;
    deps.log.info({ reason }, 'draining');
    const limit = setTimeout(() => deps.exit(0), DRAIN_LIMIT_MS);
    void deps
      .drain()
      .then(() => deps.log.info({ reason }, 'drained'))
      .catch((error: unknown) => deps.log.error({ err: error }, 'the drain failed'))
      .finally(() => {
        clearTimeout(limit);
        deps.exit(0);
      });
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  const hadTerminal = isatty(STDOUT);
  process.on('SIGHUP', () => {
    // A terminal that was closed sends it too, and whoever closed it wants the daemon to end.
    if (hadTerminal && !isatty(STDOUT)) end('the terminal is gone');
    else if (!ending) deps.reload();
  });
  if (process.connected) process.on('disconnect', () => end('parent is gone'));
}
