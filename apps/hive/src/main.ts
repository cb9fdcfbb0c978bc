import process from 'node:process';
import { runDaemon } from '@rbee/daemon';
import { startHive } from './app.ts';
import { HIVE_PREFIX, hiveSettings } from './settings.ts';
import { VERSION } from './version.ts';

await runDaemon(
  {
    program: 'rbee-hive',
    purpose: 'fetches models onto this machine and keeps them',
    version: VERSION,
    prefix: HIVE_PREFIX,
    table: hiveSettings,
    start: startHive,
  },
  process,
);
