import { readSettings, SettingsError } from '@rbee/daemon';
import { describe, expect, it } from 'vitest';
import { QUEEN_PREFIX, queenSettings } from '../src/settings.ts';

function read(env: Record<string, string>) {
  const invocation = readSettings(queenSettings, { argv: [], env, prefix: QUEEN_PREFIX });
  if (invocation.kind !== 'run') throw new Error('not a run');
  return invocation.settings;
}

describe('the fixed hives', () => {
  it('are names with addresses', () => {
    expect(read({ RBEE_QUEEN_HIVES: 'a=http://192.0.2.1:7835/, b=https://b.lan' }).hives).toEqual([
      { name: 'a', url: 'http://192.0.2.1:7835' },
      { name: 'b', url: 'https://b.lan' },
    ]);
  });

  it.each(['a=http://b?x=1', 'a=http://b/?', 'a=http://b#x', 'a=http://b/c?token=secret', 'a=http://b?,c=http://d'])(
    '[L12] have no query and no fragment: %s',
    (text) => {
      expect(() => read({ RBEE_QUEEN_HIVES: text })).toThrow(SettingsError);
      expect(() => read({ RBEE_QUEEN_HIVES: text })).not.toThrow(/secret/);
    },
  );

  it.each([
    'a',
    'a=',
    'a=ftp://b',
    'a b=http://b',
    'a=http://b,a=http://c',
    'a=http://user:secret@b',
    'a=https://secret@b',
  ])('are not %s, and the error has no password', (text) => {
    expect(() => read({ RBEE_QUEEN_HIVES: text })).toThrow(SettingsError);
    expect(() => read({ RBEE_QUEEN_HIVES: text })).not.toThrow(/secret/);
  });
});

describe('the token of hives', () => {
  it('has a flag that says whose it is, and a length', () => {
    const argv = ['--queen-token', 'token-of-hives-1234'];
    const read = readSettings(queenSettings, { argv, env: {}, prefix: QUEEN_PREFIX });
    expect(read).toMatchObject({ kind: 'run', settings: { hivesToken: 'token-of-hives-1234', apiToken: null } });
    expect(() =>
      readSettings(queenSettings, { argv: ['--queen-token', 'short'], env: {}, prefix: QUEEN_PREFIX }),
    ).toThrow(/16 characters/);
  });
});
