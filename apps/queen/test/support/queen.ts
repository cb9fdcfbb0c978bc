import { join } from 'node:path';
import { type Running, readSettings } from '@rbee/daemon';
import { startQueen } from '../../src/app.ts';
import { QUEEN_PREFIX, queenSettings } from '../../src/settings.ts';

export type RunningQueen = Running<typeof queenSettings>;

/** A queen in this process on a free port, with its state in a folder. */
export async function queenIn(
  folder: string,
  env: Readonly<Record<string, string>> = {},
  pendingResponsesMs?: number,
): Promise<RunningQueen> {
  const read = readSettings(queenSettings, {
    argv: [],
    env: {
      RBEE_QUEEN_PORT: '0',
      RBEE_QUEEN_STATE_DIR: join(folder, 'state'),
      RBEE_LOG_LEVEL: 'silent',
      ...env,
    },
    prefix: QUEEN_PREFIX,
  });
  if (read.kind !== 'run') throw new Error('the settings ask for nothing else');
  return startQueen(read.settings, pendingResponsesMs);
}

export async function api(method: string, url: string, body?: unknown) {
  const answer = await fetch(url, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
