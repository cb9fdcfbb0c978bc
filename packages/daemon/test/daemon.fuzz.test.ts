import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { answerOf, costlyRuns, hostileText, type TempDir, tempDir } from '@rbee/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bandwidth,
  duration,
  integer,
  jobSettings,
  readSettings,
  SettingsError,
  secret,
  someOf,
  text,
  toggle,
  url,
} from '../src/index.ts';
import { checkOrigin, checkToken } from '../src/server/access.ts';
import { clientOf } from '../src/server/client-address.ts';

const PREFIX = 'RBEE_HIVE_';
const SECRET = 'hunter2';
const table = {
  host: text({ env: 'RBEE_HIVE_HOST', fallback: '127.0.0.1', doc: '' }),
  port: integer({ env: 'RBEE_HIVE_PORT', fallback: 7835, min: 0, max: 65_535, doc: '' }),
  stallTimeoutMs: duration({ env: 'RBEE_HIVE_STALL_TIMEOUT', fallback: '60s', minMs: 100, maxMs: 3_600_000, doc: '' }),
  maxBandwidth: bandwidth({ env: 'RBEE_HIVE_MAX_BANDWIDTH', doc: '' }),
  allowPrivate: toggle({ env: 'RBEE_HIVE_ALLOW_PRIVATE', doc: '' }),
  sources: someOf({ env: 'RBEE_HIVE_SOURCES', choices: ['hf', 'https'], fallback: ['hf'], doc: '' }),
  queenUrl: url({ env: 'RBEE_HIVE_QUEEN_URL', fallback: null, doc: '' }),
  apiToken: secret({ env: 'RBEE_API_TOKEN', minLength: 16, doc: '' }),
  ...jobSettings(PREFIX),
};

let folder: TempDir;
beforeAll(async () => {
  folder = await tempDir();
});
afterAll(() => folder.remove());

/** Settings that can be used, or every problem in one error, and no secret in it. */
function readAll(argv: readonly string[], env: Readonly<Record<string, string>>): void {
  try {
    const read = readSettings(table, { argv, env, prefix: PREFIX });
    if (read.kind !== 'run') return;
    const { port, jobRate, maxOpenJobs, maxBandwidth, stallTimeoutMs } = read.settings;
    for (const number of [port, jobRate, maxOpenJobs, maxBandwidth ?? 0, stallTimeoutMs])
      expect(number).toBeGreaterThanOrEqual(0);
    expect(port).toBeLessThanOrEqual(65_535);
  } catch (error) {
    expect(error).toBeInstanceOf(SettingsError);
    expect(String(error)).not.toContain(SECRET);
  }
}

describe('settings', () => {
  const words = [
    '--port',
    '--host',
    '--max-bandwidth',
    '--stall-timeout',
    '--sources',
    '--queen-url',
    '--allow-private',
    '--job-rate',
    '=',
    '--',
    '-p',
    '0',
    '7835',
    '99999',
    '50MB/s',
    'http://h',
    'user:pw@',
    'true',
    ',',
    'hf',
    ' ',
    '--no-port',
    '--__proto__',
    '--config',
    '--help',
  ] as const;
  const word = hostileText(words);

  it('of any command line and environment', () => {
    const names = fc.constantFrom(...Object.values(table).map(({ env }) => env), 'HOME', '__proto__');
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.constantFrom(...words), word), { maxLength: 8 }),
        fc.dictionary(names, word),
        (argv, env) => {
          readAll(
            argv.map((each) => (each.startsWith('--config') ? '--config=/nonexistent' : each)),
            env,
          );
          readAll(['--api-token', SECRET], env);
        },
      ),
    );
  });

  it('of any file', () => {
    const toml = hostileText([
      'port',
      ' = ',
      '7835',
      '\n',
      '"',
      "'",
      '[',
      ']',
      '[[a]]',
      `api_token = "${SECRET}"`,
      `api_token = "${SECRET}`,
      '#',
      '{',
      '}',
      ',',
      'true',
      'inf',
      'nan',
      '0x',
      '2020-01-01',
      '"""',
      '\\u0000',
      'max_bandwidth',
      '__proto__',
      '.',
      'sources = ["hf"]\n',
    ]);
    const bytes = fc.oneof(
      toml.map((each) => Buffer.from(each)),
      fc.uint8Array({ maxLength: 60 }),
    );
    fc.assert(
      fc.property(bytes, (content) => {
        const path = join(folder.path, 'settings.toml');
        writeFileSync(path, content);
        readAll(['--config', path], {});
      }),
      costlyRuns(10),
    );
  });
});

describe('headers and addresses', () => {
  const host = fc.option(
    hostileText([
      '127.0.0.1',
      'localhost',
      ':',
      '7835',
      '[::1]',
      'evil.example',
      '@',
      '/',
      'http://',
      'null',
      ' ',
      '%',
      '.',
      'xn--',
      '０',
    ]),
    { nil: undefined },
  );

  it('a Host and an Origin pass or are refused; a name passes only where a token is asked for', () => {
    fc.assert(
      fc.property(host, host, fc.constantFrom(null, 'x'.repeat(16)), (name, origin, apiToken) => {
        const read = answerOf(() => checkOrigin({ host: name, origin }, { apiToken }));
        if ('code' in read) return void expect(read.code).toBe('ORIGIN_REFUSED');
        if (apiToken === null)
          expect(new URL(`http://${name}`).hostname).toMatch(/^(?:[\d.]+|\[[\da-f:.]+\]|localhost)$/);
        if (origin !== undefined) expect(new URL(origin).host).toBe(name);
      }),
    );
  });

  it('no Authorization but the right one passes', () => {
    const token = 'a-token-of-sixteen-characters';
    fc.assert(
      fc.property(
        hostileText(['Bearer', ' ', token, token.slice(1), 'Basic', 'bearer', ',', '\t']),
        (authorization) => {
          const read = answerOf(() => checkToken({ authorization }, { apiToken: token }));
          if ('code' in read) expect(read.code).toMatch(/^API_KEY_(?:MISSING|INVALID)$/);
          else expect(authorization.trim().toLowerCase().replace(/ +/, ' ')).toBe(`bearer ${token}`);
        },
      ),
    );
  });

  it('an address is a client or nobody, the same each time', () => {
    const address = fc.oneof(fc.ipV4(), fc.ipV6(), hostileText(['::', 'ffff', ':', '1', '%eth0', '.', '127.0.0.1']));
    fc.assert(
      fc.property(address, (text) => {
        expect(clientOf(text)).toBe(clientOf(text));
      }),
    );
  });
});
