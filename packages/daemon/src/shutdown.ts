import { isatty } from 'node:tty';
import type { Parent } from './parent/parent.ts';

/** How long a drain may take. */
const DRAIN_LIMIT_MS = 10_000;
const STDOUT = 1;

export interface ShutdownDeps {
  /** Stops the daemon in order. */
  readonly drain: () => Promise<void>;
  readonly log: { info(fields: object, message: string): void; error(fields: object, message: string): void };
  readonly exit: (code: number) => void;
  /** Reloads the settings. */
  readonly reload: () => void;
  /** The command that started it, if any. */
  readonly parent: Pick<Parent, 'onGone'> | null;
}

/**
 * Exits with 0 on SIGTERM, on SIGINT, and when the command that started it is gone, however that ended, and no other uses
 * the daemon. The drain is limited to 10 s. SIGHUP reloads, or stops a daemon whose terminal is gone.
 */
export function onSignals(deps: ShutdownDeps): void {
  let ending = false;
  const end = (reason: string) => {
    if (ending) return;
    ending = true;
    deps.log.info({ reason }, 'draining');
    const limit = setTimeout(() => deps.exit(0), DRAIN_LIMIT_MS);
    void deps
      .drain()
      .then(() => deps.log.info({ reason }, 'drained'))
      .catch((error: unknown) => deps.log.error({ err: error }, 'drain failed'))
      .finally(() => {
        clearTimeout(limit);
        deps.exit(0);
      });
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  const hadTerminal = isatty(STDOUT);
  process.on('SIGHUP', () => {
    // Closing the terminal sends SIGHUP too, and means that the daemon should stop.
    if (hadTerminal && !isatty(STDOUT)) end('the terminal is gone');
    else if (!ending) deps.reload();
  });
  deps.parent?.onGone(end);
}
