import { describe, expect, it } from 'vitest';
import { HIVE_PREFIX, hiveSettings } from '../../apps/hive/src/settings.ts';
import { DEFAULT_QUEEN_URL } from '../../apps/keeper/src/keeper-file/queen-address.ts';
import { QUEEN_PREFIX, queenSettings } from '../../apps/queen/src/settings.ts';
import { flagOf, keyOf, readSettings, type SettingsTable } from '../../packages/daemon/src/index.ts';
import { fullHelpOf, optionsIn } from './keeper-help.ts';
import { cell, column, readPage, sourceOf, tableUnder } from './support.ts';

const page = await readPage('docs/reference/settings.md');
const COLUMNS = ['Flag', 'Environment', 'TOML key', 'Default'];

// The hive has two tables: its own settings, and what it reads of other tools.
const [hive, borrowed] = page.tables.filter(({ heading }) => heading === 'Hive');
if (!hive || !borrowed) throw new Error('the settings page has two tables of a hive');

function known(table: SettingsTable, prefix: string): string[][] {
  return Object.values(table).map(({ env, defaultText }) => [
    `--${flagOf(env, prefix)}`,
    env,
    keyOf(env, prefix),
    defaultText,
  ]);
}

describe('docs/reference/settings.md', () => {
  it.each([
    ['hive', hive, hiveSettings, HIVE_PREFIX],
    ['queen', tableUnder(page, 'Queen'), queenSettings, QUEEN_PREFIX],
  ] as const)('lists every setting of a %s: flag, environment, key, default', (_, table, settings, prefix) => {
    expect(table.rows.map((row) => COLUMNS.map((name) => cell(row, name)))).toEqual(known(settings, prefix));
    for (const row of table.rows) expect(cell(row, 'Meaning'), cell(row, 'Flag')).not.toBe('');
  });

  it('lists what SIGHUP changes', () => {
    const live = (settings: SettingsTable, prefix: string) =>
      Object.values(settings).flatMap(({ env, live }) => (live ? [keyOf(env, prefix)] : []));
    const rows = tableUnder(page, 'While a daemon runs').rows;
    const documented = (who: string) => rows.filter((row) => cell(row, who) === 'yes').map((row) => cell(row, 'Key'));
    expect(documented('Hive')).toEqual(live(hiveSettings, HIVE_PREFIX));
    expect(documented('Queen')).toEqual(live(queenSettings, QUEEN_PREFIX));
  });

  it('lists what a hive reads of the environment beside its settings', async () => {
    const text = await sourceOf('apps/hive');
    const read = new Set(
      [...text.matchAll(/\benv(?:\['|\.)([A-Z_]+)\b|'([A-Z]+_PROXY)'/g)].map(([, name, proxy]) => name ?? proxy),
    );
    expect(column(borrowed, 'Environment').sort()).toEqual([...read].sort());
  });

  it('lists what the keeper reads of the environment', async () => {
    const text = await sourceOf('apps/keeper');
    const read = new Set([...text.matchAll(/\benv\.([A-Z_]+)/g)].map(([, name]) => name));
    // What it only passes on to daemons of its own has its place in their tables.
    const passedOn = new Set(['RBEE_HIVE_TOKEN', 'RBEE_QUEEN_TOKEN']);
    const documented = column(tableUnder(page, 'Keeper'), 'Environment');
    expect(documented.sort()).toEqual([...read].filter((name = '') => !passedOn.has(name)).sort());
  });

  it('has the flags of the keeper as its help has them, and the right default', async () => {
    const flags = column(tableUnder(page, 'Keeper'), 'Flag').filter((flag) => flag !== '');
    expect(optionsIn(await fullHelpOf([]))).toEqual(expect.arrayContaining(flags));
    const queen = tableUnder(page, 'Keeper').rows.find((row) => cell(row, 'Flag') === '--queen');
    expect(queen).toMatchObject({ Default: DEFAULT_QUEEN_URL });
  });

  it('names tokens that the daemons and the keeper have', () => {
    const names = page.tables
      .filter(({ heading }) => heading === 'Tokens')
      .flatMap(({ rows }) =>
        rows.flatMap(
          (row) =>
            Object.values(row)
              .join(' ')
              .match(/RBEE_\w+/g) ?? [],
        ),
      );
    const all = [...Object.values(hiveSettings), ...Object.values(queenSettings)];
    const secrets = all.filter(({ secret }) => secret).map(({ env }) => env);
    expect(new Set(names)).toEqual(new Set(secrets.filter((env) => env.startsWith('RBEE_'))));
  });

  it('shows forms of values that are read as it says', () => {
    const env = {
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'on',
      RBEE_HIVE_HEARTBEAT_INTERVAL: '5m',
      RBEE_HIVE_STALL_TIMEOUT: '',
    };
    const read = readSettings(hiveSettings, { argv: ['--headers-timeout', '100ms'], env, prefix: HIVE_PREFIX });
    expect(read).toMatchObject({
      kind: 'run',
      settings: {
        allowPrivateSources: true,
        heartbeatIntervalMs: 300_000,
        stallTimeoutMs: 60_000,
        headersTimeoutMs: 100,
      },
    });
  });
});
