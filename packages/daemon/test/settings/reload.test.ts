import { describe, expect, it, vi } from 'vitest';
import { integer, SettingsError, type SettingsOf, secret, someOf, text, tlsSettings } from '../../src/index.ts';
import { createReload, type Renewal } from '../../src/settings/reload.ts';

const table = {
  host: text({ env: 'RBEE_HIVE_HOST', fallback: 'here', doc: 'address' }),
  limit: integer({ env: 'RBEE_HIVE_LIMIT', live: true, min: 0, max: 99, fallback: 1, doc: 'limit' }),
  sources: someOf({ env: 'RBEE_HIVE_SOURCES', live: true, choices: ['a', 'b'], fallback: ['a'], doc: 'sources' }),
  token: secret({ env: 'RBEE_API_TOKEN', live: true, doc: 'token' }),
  ...tlsSettings('RBEE_HIVE_'),
};
type Values = SettingsOf<typeof table>;
const START: Values = {
  host: 'here',
  limit: 1,
  sources: new Set(['a'] as const),
  token: null,
  tlsCert: null,
  tlsKey: null,
};
const WITH_TLS: Values = { ...START, tlsCert: '/a.pem', tlsKey: '/a-key.pem' };

function setUp(start = START) {
  const applied: Partial<Values>[] = [];
  const logged: { level: string; fields: object; message: string }[] = [];
  const state = { now: start as Values | SettingsError, files: null as Renewal | SettingsError | null };
  const log = (level: string) => (fields: object, message: string) => void logged.push({ level, fields, message });
  const reload = createReload(
    {
      table,
      prefix: 'RBEE_HIVE_',
      read: () => {
        if (state.now instanceof SettingsError) throw state.now;
        return state.now;
      },
      check: ({ host, token }) => (host === 'everywhere' && token === null ? ['everywhere needs a token'] : []),
      readFiles: () => {
        if (state.files instanceof SettingsError) throw state.files;
        return state.files;
      },
      apply: (changed) => void applied.push(changed),
      log: { info: log('info'), error: log('error') },
    },
    start,
  );
  return { applied, logged, state, reload };
}

describe('a reload', () => {
  it('applies changed settings that can change, and names what needs a restart', async () => {
    const { applied, logged, state, reload } = setUp();
    state.now = { ...START, host: 'there', limit: 2, sources: new Set(['a', 'b']), token: 'abcdef' };
    await reload();
    expect(applied).toEqual([{ limit: 2, sources: new Set(['a', 'b']), token: 'abcdef' }]);
    const changed = { limit: 2, sources: 'a,b', api_token: '(secret)' };
    expect(logged).toEqual([{ level: 'info', fields: { changed, needsRestart: ['host'] }, message: 'reloaded' }]);
  });

  it('leaves alone what is configured as before, so that what was set over HTTP stays', async () => {
    const { applied, logged, state, reload } = setUp();
    state.now = { ...START, sources: new Set(['a']) };
    await reload();
    expect(applied).toEqual([{}]);
    expect(logged[0]?.message).toMatch(/nothing changed/);
    state.now = { ...START, limit: 5 };
    await reload();
    await reload();
    expect(applied.slice(1)).toEqual([{ limit: 5 }, {}]);
  });

  it('says again what needs a restart, until there is one', async () => {
    const { logged, state, reload } = setUp();
    state.now = { ...START, host: 'there' };
    await reload();
    await reload();
    expect(logged.map(({ fields }) => fields)).toEqual(Array(2).fill({ changed: {}, needsRestart: ['host'] }));
  });

  it('of bad settings changes nothing and logs every problem', async () => {
    const { applied, logged, state, reload } = setUp();
    state.now = new SettingsError(['one', 'two']);
    await reload();
    expect(applied).toEqual([]);
    expect(logged).toMatchObject([{ level: 'error', fields: { problems: ['one', 'two'] } }]);
  });

  it('uses files with a new content after the rest was applied, and says so', async () => {
    const { applied, logged, state, reload } = setUp();
    const use = vi.fn(() => expect(applied).toHaveLength(1));
    state.files = { shown: { file: '/a.pem' }, use };
    await reload();
    expect(use).toHaveBeenCalledOnce();
    const fields = { changed: {}, renewed: { file: '/a.pem' }, needsRestart: [] };
    expect(logged).toEqual([{ level: 'info', fields, message: 'reloaded' }]);
  });

  it('applies nothing where files cannot be used, and all of it when they can again', async () => {
    const { applied, logged, state, reload } = setUp();
    state.now = { ...START, limit: 4 };
    state.files = new SettingsError(['no such file']);
    await reload();
    expect(applied).toEqual([]);
    expect(logged).toMatchObject([{ level: 'error', fields: { problems: ['no such file'] } }]);
    state.files = null;
    await reload();
    expect(applied).toEqual([{ limit: 4 }]);
  });

  it('uses no files where what comes with them is refused', async () => {
    const { state, reload } = setUp({ ...START, host: 'everywhere', token: 'abcdef' });
    const use = vi.fn();
    state.now = { ...START, limit: 7 };
    state.files = { shown: {}, use };
    await reload();
    expect(use).not.toHaveBeenCalled();
  });

  it('takes other files for TLS, and leaves it to a restart to begin or to end with it', async () => {
    const moved = setUp(WITH_TLS);
    moved.state.now = { ...WITH_TLS, tlsCert: '/b.pem' };
    await moved.reload();
    expect(moved.applied).toEqual([{ tlsCert: '/b.pem' }]);
    expect(moved.logged[0]?.fields).toEqual({ changed: { tls_cert: '/b.pem' }, needsRestart: [] });
    for (const [before, after] of [
      [START, WITH_TLS],
      [WITH_TLS, START],
    ] as const) {
      const { applied, logged, state, reload } = setUp(before);
      state.now = { ...after, limit: 3 };
      await reload();
      expect(applied).toEqual([{ limit: 3 }]);
      expect(logged[0]?.fields).toEqual({ changed: { limit: 3 }, needsRestart: ['tls_cert', 'tls_key'] });
    }
  });

  it('takes no token away that the address needs on which the daemon still listens', async () => {
    const { applied, logged, state, reload } = setUp({ ...START, host: 'everywhere', token: 'abcdef' });
    state.now = { ...START, limit: 7 };
    await reload();
    expect(applied).toEqual([]);
    expect(logged).toMatchObject([{ level: 'error', fields: { problems: ['everywhere needs a token'] } }]);
  });
});
