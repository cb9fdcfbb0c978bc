import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bandwidth,
  duration,
  fingerprint,
  integer,
  readSettings,
  secret,
  setting,
  text,
  toggle,
  url,
} from '../../src/index.ts';
import { printConfig } from '../../src/settings/print-config.ts';

const PREFIX = 'RBEE_HIVE_';
const table = {
  name: text({ env: 'RBEE_HIVE_NAME', fallback: 'bee', doc: 'name' }),
  port: integer({ env: 'RBEE_HIVE_PORT', fallback: 1, min: 0, max: 65_535, doc: 'port' }),
  stallMs: duration({ env: 'RBEE_HIVE_STALL', fallback: '90s', minMs: 0, maxMs: 3_600_000, doc: 'stall' }),
  limit: bandwidth({ env: 'RBEE_HIVE_LIMIT', doc: 'limit' }),
  open: toggle({ env: 'RBEE_HIVE_OPEN', doc: 'open' }),
  queen: url({ env: 'RBEE_HIVE_QUEEN_URL', fallback: null, doc: 'queen' }),
  token: secret({ env: 'RBEE_API_TOKEN', doc: 'token', minLength: 8 }),
  login: setting<string | null>({
    env: 'HF_TOKEN',
    doc: 'token of a file',
    secret: true,
    parse: (value) => value,
    fallback: () => 'from-a-file',
  }),
};

function print(argv: readonly string[], env: Record<string, string> = {}) {
  const invocation = readSettings(table, { argv: ['--print-config', ...argv], env, prefix: PREFIX });
  if (invocation.kind !== 'print') throw new Error('not a print');
  return { text: printConfig('rbee-hive', table, invocation.found, PREFIX), problems: invocation.found.problems };
}

function read(argv: readonly string[], env: Record<string, string> = {}) {
  const invocation = readSettings(table, { argv, env, prefix: PREFIX });
  if (invocation.kind !== 'run') throw new Error('not a run');
  return invocation.settings;
}

describe('--print-config', () => {
  it('prints each setting with where it comes from, and a fingerprint in place of a secret', async () => {
    const folder = await tempDir();
    const file = join(folder.path, 'hive.toml');
    await writeFile(file, 'stall = "1500ms"\n');
    const printed = print(['--config', file, '--port', '7'], { RBEE_HIVE_OPEN: 'on', RBEE_API_TOKEN: 'open-sesame' });
    expect(printed.problems).toEqual([]);
    expect(printed.text.split('\n').slice(1)).toEqual([
      'name = "bee" # default',
      'port = 7 # --port',
      `stall = "1500ms" # ${file}`,
      'limit = "unlimited" # default',
      'open = true # RBEE_HIVE_OPEN',
      '# queen_url is not set (default)',
      `# api_token is set, fingerprint ${fingerprint('open-sesame')} (RBEE_API_TOKEN)`,
      `# hf_token is set, fingerprint ${fingerprint('from-a-file')} (default)`,
      '',
    ]);
    await folder.remove();
  });

  it('prints what is right beside what is wrong, and no text that was not understood', () => {
    const printed = print(['--port', 'seven', '--api-token', 'hunter2', '--colour'], { RBEE_HIVE_NAME: 'bea' });
    expect(printed.problems).toHaveLength(3);
    expect(printed.text).toContain('name = "bea" # RBEE_HIVE_NAME');
    expect(printed.text).toContain('# port is not valid (--port)');
    expect(printed.text).toContain('# api_token is not valid (--api-token)');
    expect(printed.text).not.toMatch(/hunter2|seven/);
  });

  it('prints a file that is read as the same settings, whatever they are', async () => {
    const folder = await tempDir();
    const file = join(folder.path, 'again.toml');
    const given = fc.record({
      RBEE_HIVE_NAME: fc.string({ minLength: 1, unit: 'binary' }),
      RBEE_HIVE_PORT: fc.integer({ min: 0, max: 65_535 }).map(String),
      RBEE_HIVE_STALL: fc.integer({ min: 0, max: 3_600_000 }).map((ms) => `${ms}ms`),
      RBEE_HIVE_LIMIT: fc.oneof(fc.integer({ min: 0, max: 2 ** 45 }).map(String), fc.constant('unlimited')),
      RBEE_HIVE_OPEN: fc.constantFrom('true', 'false'),
    });
    await fc.assert(
      fc.asyncProperty(given, async (env) => {
        await writeFile(file, print([], env).text);
        expect(read(['--config', file])).toEqual(read([], env));
      }),
      { numRuns: 200 },
    );
    await folder.remove();
  });

  it('keeps a path with a line break inside its comment', () => {
    const printed = print(['--config', 'no\nport = 3']);
    expect(printed.text.split('\n').filter((line) => line.startsWith('port ='))).toEqual(['port = 1 # default']);
  });
});
