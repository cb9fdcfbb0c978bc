import { join } from 'node:path';
import type { Clock } from '@rbee/contract';
import { type Logger, openStateDb, StateWriter } from '@rbee/daemon';
import { createQueenState, type QueenState, STATE_MIGRATIONS } from './state.ts';

/** Opens the state in its folder, with the guard around its writes. */
export function openState(
  folder: string,
  { clock, logger }: { clock: Clock; logger: Logger },
): { state: QueenState; writer: StateWriter } {
  const onDamage = (movedTo: string, err: unknown) =>
    logger.error({ err, movedTo }, 'the state was damaged: it was moved aside, and a new one started');
  const onBadRow = (row: string, err: unknown) =>
    logger.error({ err, row }, 'a row of the state cannot be read: it was set aside, in the table bad_rows');
  const db = openStateDb(join(folder, 'queen.sqlite'), { migrations: STATE_MIGRATIONS, onDamage });
  const writer = new StateWriter(db, { clock, log: logger, what: 'the state' });
  return { writer, state: createQueenState({ db, writer, onBadRow }) };
}
