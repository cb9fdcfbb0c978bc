import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { tempDir } from '@rbee/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { hiveSettings } from '../src/settings.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function tokenFiles(...files: [name: string, text: string][]): Promise<string> {
  const folder = await tempDir();
  closing.push(() => folder.remove());
  for (const [name, text] of files) {
    const path = join(folder.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  return folder.path;
}

describe("the hub's token", () => {
  it('is that of the file that HF_TOKEN_PATH names, else of HF_HOME, else of the cache folder', async () => {
    const folder = await tokenFiles(
      ['own', 'hf_own\n'],
      ['home/token', 'hf_home\n'],
      ['cache/huggingface/token', ' hf_cache '],
    );
    const cache = { XDG_CACHE_HOME: join(folder, 'cache') };
    const home = { ...cache, HF_HOME: join(folder, 'home') };
    expect(hiveSettings.hfToken.fallback({ ...home, HF_TOKEN_PATH: join(folder, 'own') })).toBe('hf_own');
    expect(hiveSettings.hfToken.fallback(home)).toBe('hf_home');
    expect(hiveSettings.hfToken.fallback(cache)).toBe('hf_cache');
  });

  it('[A11] is HUGGING_FACE_HUB_TOKEN where HF_TOKEN is not set, and before the file', async () => {
    const folder = await tokenFiles(['own', 'hf_own']);
    const env = { HF_TOKEN_PATH: join(folder, 'own'), HUGGING_FACE_HUB_TOKEN: ' hf_older\n' };
    expect(hiveSettings.hfToken.fallback(env)).toBe('hf_older');
    expect(hiveSettings.hfToken.fallback({ ...env, HUGGING_FACE_HUB_TOKEN: ' ' })).toBe('hf_own');
    expect(() => hiveSettings.hfToken.fallback({ HUGGING_FACE_HUB_TOKEN: 'two words' })).toThrow(/token/);
  });

  it('[A11] has its file where HF_TOKEN_PATH says, else in HF_HOME, else in the cache folder', () => {
    const { fallback, parse } = hiveSettings.hfTokenPath;
    expect(parse('/a/token')).toBe('/a/token');
    expect(parse('~/t')).toBe(join(homedir(), 't'));
    expect(fallback({ HF_HOME: '/h' })).toBe('/h/token');
    expect(fallback({ XDG_CACHE_HOME: '/c' })).toBe('/c/huggingface/token');
  });

  it('is none where there is no file, or an empty one', async () => {
    const folder = await tokenFiles(['empty', ' \n']);
    expect(hiveSettings.hfToken.fallback({ HF_TOKEN_PATH: join(folder, 'nothing') })).toBeNull();
    expect(hiveSettings.hfToken.fallback({ HF_TOKEN_PATH: join(folder, 'empty') })).toBeNull();
  });

  it('that could not stand in a header is a problem that does not repeat it', async () => {
    const folder = await tokenFiles(['two', 'hf_one\nhf_two']);
    for (const read of [
      () => hiveSettings.hfToken.fallback({ HF_TOKEN_PATH: join(folder, 'two') }),
      () => hiveSettings.hfToken.parse('hf_one hf_two'),
      () => hiveSettings.hfToken.fallback({ HF_TOKEN_PATH: folder }),
    ]) {
      expect(read).toThrow(/token/);
      expect(read).not.toThrow(/hf_one/);
    }
  });
});

describe('the sources', () => {
  it('that a hive fetches from are the hub, https and registries; others have to be switched on', () => {
    expect([...hiveSettings.allowedSources.fallback({})]).toEqual(['hf', 'https', 'ollama']);
    expect([...hiveSettings.allowedSources.parse('file, http')]).toEqual(['http', 'file']);
    expect(() => hiveSettings.allowedSources.parse('ftp')).toThrow(/not one of/);
  });
});

describe('the models folder', () => {
  const HOME = '/home/alice';
  it.each([
    ['~ in HF_HUB_CACHE', { HF_HUB_CACHE: '~/hub' }, '/home/alice/hub'],
    ['~ alone', { HF_HUB_CACHE: '~' }, '/home/alice'],
    ['$NAME in HF_HUB_CACHE', { HF_HUB_CACHE: '$HOME/hub' }, '/home/alice/hub'],
    ['a name in braces in HF_HUB_CACHE', { HF_HUB_CACHE: `$${'{HOME}'}/hub` }, '/home/alice/hub'],
    ['a name within a path', { HF_HUB_CACHE: '/srv/$WHO/hub', WHO: 'bob' }, '/srv/bob/hub'],
    ['two names', { HF_HUB_CACHE: `/$A$${'{B}'}`, A: 'x', B: 'y' }, '/xy'],
    ['~ of another user', { HF_HUB_CACHE: '~root/hub' }, '/root/hub'],
    ['~ in HUGGINGFACE_HUB_CACHE', { HUGGINGFACE_HUB_CACHE: '~/old' }, '/home/alice/old'],
    ['HUGGINGFACE_HUB_CACHE beside HF_HOME', { HUGGINGFACE_HUB_CACHE: '/old', HF_HOME: '/home' }, '/old'],
    ['HF_HUB_CACHE beside HUGGINGFACE_HUB_CACHE', { HF_HUB_CACHE: '/new', HUGGINGFACE_HUB_CACHE: '/old' }, '/new'],
    ['~ in HF_HOME', { HF_HOME: '~/hf' }, '/home/alice/hf/hub'],
    ['a name in braces in HF_HOME', { HF_HOME: `$${'{HOME}'}/hf` }, '/home/alice/hf/hub'],
    ['$NAME in XDG_CACHE_HOME', { XDG_CACHE_HOME: '$HOME/cache' }, '/home/alice/cache/huggingface/hub'],
    ['~ in XDG_CACHE_HOME', { XDG_CACHE_HOME: '~/cache' }, '/home/alice/cache/huggingface/hub'],
    ['a name that is not set', { HF_HUB_CACHE: '/srv/$NONE/hub' }, '/srv/$NONE/hub'],
    ['a ~ that is not at the start', { HF_HUB_CACHE: '/srv/~/hub' }, '/srv/~/hub'],
    ['nothing', {}, '/home/alice/.cache/huggingface/hub'],
  ])('[G7] is read as huggingface_hub reads it from %s', (_, env, folder) => {
    expect(hiveSettings.modelsDir.fallback({ HOME, ...env })).toBe(folder);
  });

  it('[G7] of HF_TOKEN_PATH is expanded too', async () => {
    const folder = await tokenFiles(['token', 'hf_own']);
    expect(hiveSettings.hfToken.fallback({ HOME: folder, HF_TOKEN_PATH: '~/token' })).toBe('hf_own');
    expect(hiveSettings.hfToken.fallback({ HOME: folder, HF_HOME: '$HOME' })).toBe('hf_own');
  });

  it('[G7] of XDG_STATE_HOME is expanded too', () => {
    expect(hiveSettings.stateDir.fallback({ HOME, XDG_STATE_HOME: '~/state' })).toBe('/home/alice/state/rbee/hive');
  });
});
