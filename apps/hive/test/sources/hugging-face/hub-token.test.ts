import { rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startHub, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixedToken, type HubToken, loginToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { openSource, type TestSource } from './support.ts';

const NOW = Date.UTC(2026, 10, 30);
const files = { 'm.gguf': { size: 9, seed: 1 }, 'a.json': Buffer.from('{}') };

let folder: TempDir;
let path: string;
let hub: TestHub;
let source: TestSource;
let token: HubToken;
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, 'token');
  token = loginToken(path, () => NOW);
  hub = await startHub({
    tokens: {
      hf_old: { user: 'me', repos: ['org/gated', 'org/secret'], hasExpired: true },
      hf_new: { user: 'me', repos: ['org/gated', 'org/secret'] },
    },
  });
  hub.addRepo({ id: 'org/public', files });
  hub.addRepo({ id: 'org/gated', files, gated: true });
  hub.addRepo({ id: 'org/secret', files, private: true });
  source = openSource(hub.url, token);
});
afterEach(async () => {
  await source.close();
  await hub.close();
  await folder.remove();
});

const PRIVATE = ['hf:org/gated::file=m.gguf', 'hf:org/secret::file=m.gguf', 'hf:org/secret'];

describe('a login while the hive runs', () => {
  it.each(PRIVATE)('[A11] opens %s without a restart', async (ref) => {
    await expect(source.resolve(ref)).rejects.toMatchObject({ hint: expect.any(String) });
    await writeFile(path, 'hf_new\n');
    expect((await source.resolve(ref)).files).toHaveLength(1);
  });

  it.each(PRIVATE)('[A11] with a fresh token opens %s, where the old one has expired', async (ref) => {
    await writeFile(path, 'hf_old');
    await expect(source.resolve(ref)).rejects.toMatchObject({ code: 'MODEL_TOKEN_INVALID' });
    await writeFile(path, 'hf_new');
    expect((await source.resolve(ref)).files).toHaveLength(1);
  });

  it('[A11] whose file has the size and time of the old one is seen when the hub refuses the old one', async () => {
    await writeFile(path, 'hf_old');
    await utimes(path, 1, 1);
    expect(token.current()).toBe('hf_old');
    await writeFile(path, 'hf_new');
    await utimes(path, 1, 1);
    expect((await source.resolve('hf:org/gated::file=m.gguf')).files).toHaveLength(1);
    expect(token.current()).toBe('hf_new');
  });

  it('[A11] that ends leaves no token behind', async () => {
    await writeFile(path, 'hf_new');
    expect(token.current()).toBe('hf_new');
    await rm(path);
    expect(token.current()).toBeNull();
    expect((await source.resolve('hf:org/public')).files).toHaveLength(1);
  });

  it.each(['', ' \n', 'two words', 'hf_\u00e9'])('[A11] that wrote %j has no token', async (text) => {
    await writeFile(path, text);
    expect(token.current()).toBeNull();
    expect((await source.resolve('hf:org/public::file=a.json')).files).toHaveLength(1);
  });
});

describe('a login that has expired', () => {
  beforeEach(() => writeFile(path, 'hf_old'));

  it.each(['hf:org/public', 'hf:org/public::file=a.json', 'hf:org/public::include=*'])(
    '[A11] does not close public models: %s',
    async (ref) => {
      const { files: found } = await source.resolve(ref);
      for (const file of found) expect((await source.bytesOf(file)).length).toBe(file.size);
      hub.clearRequests();
      await source.resolve(ref);
      expect(hub.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    },
  );

  it.each(PRIVATE)('[A11] is named as the reason that %s is closed', async (ref) => {
    const expires = `[me]\nhf_token = hf_old\nrefresh_token = x\nexpires_at = ${NOW / 1_000 - 60}\n\n`;
    await writeFile(
      join(folder.path, 'stored_tokens'),
      `[other]\nhf_token = hf_x\nexpires_at = 9999999999\n\n${expires}`,
    );
    await expect(source.resolve(ref)).rejects.toMatchObject({
      code: 'MODEL_TOKEN_INVALID',
      message: expect.stringContaining('the token of "hf auth login" expired at 2026-11-29T23:59:00.000Z'),
      hint: expect.stringContaining('hf auth login'),
    });
  });

  it.each([
    ['no file', null],
    ['another token', '[me]\nhf_token = hf_x\nexpires_at = 1\n'],
    ['no date', '[me]\nhf_token = hf_old\n'],
    ['a date that is not one', '[me]\nhf_token = hf_old\nexpires_at = soon\n'],
    ['a date in the future', '[me]\nhf_token = hf_old\nexpires_at = 9999999999\n'],
    ['a date beyond all calendars', '[me]\nhf_token = hf_old\nexpires_at = 9999999999999\n'],
  ])('[A11] is named as refused where stored_tokens has %s', async (_, text) => {
    if (text !== null) await writeFile(join(folder.path, 'stored_tokens'), text);
    await expect(source.resolve('hf:org/secret')).rejects.toMatchObject({
      code: 'MODEL_TOKEN_INVALID',
      message: expect.stringContaining('the hub refuses the token of "hf auth login"'),
    });
  });
});

it('[A11] a token of the settings that is refused is an error, also for a public model', async () => {
  const own = openSource(hub.url, fixedToken('hf_old'));
  await expect(own.resolve('hf:org/public')).rejects.toMatchObject({ code: 'MODEL_TOKEN_INVALID' });
  await own.close();
});
