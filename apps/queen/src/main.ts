import process from 'node:process';
import { runDaemon } from '@rbee/daemon';
import { startQueen } from './app.ts';
import { QUEEN_PREFIX, queenSettings } from './settings.ts';
import { VERSION } from './version.ts';

await runDaemon(
  {
    program: 'rbee-queen',
    purpose: 'routes requests to hives and relays their live progress',
    version: VERSION,
    prefix: QUEEN_PREFIX,
    table: queenSettings,
    start: (settings) => startQueen(settings),
  },
  process,
);
