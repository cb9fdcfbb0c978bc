import { setTimeout as delay } from 'node:timers/promises';
import { exitCodes } from '../errors/exit-codes.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { ListDeps } from '../operations/command-deps.ts';
import type { Session } from '../session.ts';

const WATCH_INTERVAL_MS = 2_000;
/** Moves the cursor to the top and clears the screen, as `watch` does. */
const CLEAR = '\u001b[H\u001b[2J\u001b[3J';

export const WATCH = ['--watch', 'on a terminal: show it again every 2 s until Ctrl+C'] as const;

export interface WatchOption {
  readonly watch?: boolean;
}

/** Loads a list and shows it, once or until Ctrl+C. @throws KeeperError USAGE for `--watch` without a terminal */
export function showList<T>(
  session: Session,
  { watch = false }: WatchOption,
  load: (deps: ListDeps) => Promise<T>,
  show: (loaded: T) => number,
): Promise<number> {
  const { stdout } = session.io;
  if (watch && (!stdout.isTTY || session.isJson)) {
    throw usageError('--watch needs a terminal', 'in a log, follow downloads with "rbee-keeper download watch"');
  }
  return session.withLists(async (deps) => {
    let code = show(await load(deps));
    while (watch) {
      await delay(WATCH_INTERVAL_MS, null, { signal: deps.signal }).catch(() => deps.signal.throwIfAborted());
      const loaded = await load(deps);
      stdout.stream.write(CLEAR);
      code = show(loaded);
    }
    return code;
  });
}

/** For lists that are complete whatever they show. */
export const shown = (print: () => void): number => {
  print();
  return exitCodes.done;
};
