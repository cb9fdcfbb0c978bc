import { join } from 'node:path';
import type { Clock } from '@rbee/contract';
import { type Logger, openStateDb, StateWriter } from '@rbee/daemon';
import { createHistory, HISTORY_MIGRATIONS, type History } from './history.ts';

/** Opens the history in the state folder, with the guard around its writes. */
export function openState(
  folder: string,
  { clock, logger }: { clock: Clock; logger: Logger },
): { history: History; writer: StateWriter } {
  const path = join(folder, 'hive.sqlite');
  const onDamage = (movedTo: string, err: unknown) =>
    logger.error({ err, movedTo }, 'the history was damaged: it was moved aside, and a new one was started');
  const onBadRow = (row: string, err: unknown) =>
    logger.error({ err, row }, 'a row of the history cannot be read: it was set aside, in the table bad_rows');
  const db = openStateDb(path, { migrations: HISTORY_MIGRATIONS, onDamage });
  const writer = new StateWriter(db, { clock, log: logger, what: 'the history' });
  return { writer, history: createHistory({ db, writer, onBadRow }) };
}
