import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bandwidth,
  duration,
  integer,
  oneOf,
  readSettings,
  SettingsError,
  secret,
  settingsInForce,
  someOf,
  text,
  toggle,
  url,
} from '../../src/index.ts';

const PREFIX = 'RBEE_HIVE_';
const table = {
  host: text({ env: 'RBEE_HIVE_HOST', fallback: '127.0.0.1', doc: 'address' }),
  port: integer({ env: 'RBEE_HIVE_PORT', fallback: 7835, min: 0, max: 65_535, doc: 'port' }),
  stallTimeoutMs: duration({
    env: 'RBEE_HIVE_STALL_TIMEOUT',
    fallback: '60s',
    minMs: 100,
    maxMs: 3_600_000,
    doc: 'stall',
  }),
  maxBandwidth: bandwidth({ env: 'RBEE_HIVE_MAX_BANDWIDTH', doc: 'limit' }),
  allowPrivate: toggle({ env: 'RBEE_HIVE_ALLOW_PRIVATE', doc: 'private addresses' }),
  sources: someOf({ env: 'RBEE_HIVE_SOURCES', choices: ['hf', 'https', 'file'], fallback: ['hf'], doc: 'sources' }),
  queenUrl: url({ env: 'RBEE_HIVE_QUEEN_URL', fallback: null, doc: 'queen' }),
  apiToken: secret({ env: 'RBEE_API_TOKEN', minLength: 16, doc: 'token' }),
  logLevel: oneOf({ env: 'RBEE_LOG_LEVEL', choices: ['info', 'debug'], fallback: 'info', doc: 'level' }),
};

function read(argv: string[] = [], env: Record<string, string> = {}) {
  const invocation = readSettings(table, { argv, env, prefix: PREFIX });
  if (invocation.kind !== 'run') throw new Error('not a run');
  return invocation.settings;
}

function problemsOf(argv: string[], env: Record<string, string> = {}): readonly string[] {
  try {
    read(argv, env);
  } catch (error) {
    if (error instanceof SettingsError) return error.problems;
    throw error;
  }
  return [];
}

describe('settings', () => {
  it('have defaults', () => {
    expect(read()).toEqual({
      host: '127.0.0.1',
      port: 7835,
      stallTimeoutMs: 60_000,
      maxBandwidth: null,
      allowPrivate: false,
      sources: new Set(['hf']),
      queenUrl: null,
      apiToken: null,
      logLevel: 'info',
    });
  });

  it('come from flag, then environment, then file, then default', async () => {
    const folder = await tempDir();
    const file = join(folder.path, 'hive.toml');
    await writeFile(
      file,
      'port = 1\nhost = "from-file"\nstall_timeout = "1s"\nsources = ["hf", "file"]\nlog_level = "debug"\n',
    );
    const settings = read(['--config', file, '--port', '3'], { RBEE_HIVE_PORT: '2', RBEE_HIVE_HOST: 'from-env' });
    expect(settings).toMatchObject({ port: 3, host: 'from-env', stallTimeoutMs: 1_000, logLevel: 'debug' });
    expect([...settings.sources]).toEqual(['hf', 'file']);
    await folder.remove();
  });

  it('are flags without their prefix, with or without "=", and switches stand alone', () => {
    expect(
      read(['--port=0', '--max-bandwidth', '50MB/s', '--allow-private', '--api-token', 'x'.repeat(16)]),
    ).toMatchObject({
      port: 0,
      maxBandwidth: 50_000_000,
      allowPrivate: true,
      apiToken: 'x'.repeat(16),
    });
  });

  it('take an empty environment variable for one that is not set', () => {
    expect(read([], { RBEE_HIVE_PORT: '', RBEE_API_TOKEN: '' })).toMatchObject({ port: 7835, apiToken: null });
  });

  it('that are bad are all told at once', () => {
    const problems = problemsOf(['--port', '70000', '--colour=red', 'stray'], {
      RBEE_HIVE_STALL_TIMEOUT: 'soon',
      RBEE_HIVE_QUEEN_URL: 'ftp://queen',
      RBEE_LOG_LEVEL: 'loud',
      RBEE_HIVE_SOURCES: 'hf,torrent',
    });
    expect(problems).toHaveLength(7);
    expect(problems.join('\n')).toMatch(/--colour is not a setting/);
    expect(problems.join('\n')).toMatch(/--port: "70000" is not a whole number from 0 to 65535/);
    expect(problems.join('\n')).toMatch(/RBEE_HIVE_STALL_TIMEOUT: .*10s/);
    expect(problems.join('\n')).toMatch(/"torrent" is not one of hf, https, file/);
  });

  it('tell a file that is missing, is not TOML, or has keys nobody knows', async () => {
    const folder = await tempDir();
    const file = join(folder.path, 'bad.toml');
    expect(problemsOf(['--config', file]).join()).toMatch(/ENOENT/);
    await writeFile(file, 'port 1');
    expect(problemsOf(['--config', file])).toHaveLength(1);
    await writeFile(file, 'prot = 1');
    expect(problemsOf(['--config', file]).join()).toMatch(/"prot" is not a setting/);
    await writeFile(file, '[host]\nname = 1');
    expect(problemsOf(['--config', file]).join()).toMatch(/"host" must be a string, number/);
    await writeFile(file, 'api_token = "a-secret-of-the-file" oops');
    expect(problemsOf(['--config', file]).join()).toMatch(/line 1, column \d+ is not valid TOML$/);
    await folder.remove();
  });

  it('that are secret are shown neither in problems nor in force', () => {
    const problems = problemsOf(['--api-token', 'hunter2'], {});
    expect(problems.join()).toMatch(/--api-token: it has fewer than 16 characters/);
    expect(problems.join()).not.toMatch(/hunter2/);
    const shown = settingsInForce(table, read(['--api-token', 'x'.repeat(20)]), PREFIX);
    expect(shown).toMatchObject({ port: 7835, max_bandwidth: null, sources: 'hf' });
    expect(Object.keys(shown)).not.toContain('api_token');
  });

  it('never throw anything but a SettingsError, whatever words come', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 6 }), (argv) => {
        expect(() => problemsOf(argv.filter((word) => !/^--?(help|version)/.test(word)))).not.toThrow();
      }),
    );
  });
});
