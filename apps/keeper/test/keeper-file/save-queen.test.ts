import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseKeeperFile } from '../../src/keeper-file/parse-keeper-file.ts';
import { saveQueen, withQueen } from '../../src/keeper-file/save-queen.ts';

const LAB = { url: 'https://lab:7833', token: 'a-token-of-16-characters' };

describe('the text of the file', () => {
  it('gets a table and a default where there was none', () => {
    const { text } = withQueen('', 'lab', LAB);
    expect(text).toBe(
      'default = "lab"\n\n[queens.lab]\nurl = "https://lab:7833"\ntoken = "a-token-of-16-characters"\n',
    );
  });

  it('keeps comments, other queens and their order', () => {
    const before =
      '# mine\ndefault = "home"\n\n[queens.home] # here\nurl = "http://home:7833"\n\n' +
      '[queens.lab]\n# the old one\nurl = "http://old:7833"\n';
    const { text, lostComments } = withQueen(before, 'lab', LAB);
    expect(lostComments).toBe(false);
    for (const comment of ['# mine', '# here', '# the old one']) expect(text).toContain(comment);
    const { queens, defaultName } = parseKeeperFile(text, 'keeper.toml');
    expect(defaultName).toBe('lab');
    expect([...queens]).toEqual([
      ['home', { url: 'http://home:7833', token: null }],
      ['lab', LAB],
    ]);
  });

  it('drops the token of a queen that needs none any more', () => {
    const { text } = withQueen(withQueen('', 'lab', LAB).text, 'lab', { ...LAB, token: null });
    expect(text).not.toContain('token');
  });

  it.each([
    ['an inline table', 'queens = { home = { url = "http://home:7833" } } # mine\n'],
    ['a table of all queens', '# mine\n[queens]\nhome = { url = "http://home:7833" }\n'],
    ['a name in quotes', '[queens."home"]\nurl = "http://home:7833"\n'],
    ['a name with a dot', '[queens."home.lan"]\nurl = "http://home:7833"\n'],
    ['Windows line ends', '[queens.home]\r\nurl = "http://home:7833"\r\n'],
  ])('is right and complete also with %s', (_, before) => {
    for (const name of ['home', 'home.lan', 'lab']) {
      const { text } = withQueen(before, name, LAB);
      const { queens, defaultName } = parseKeeperFile(text, 'keeper.toml');
      expect(defaultName).toBe(name);
      expect(queens.get(name)).toEqual(LAB);
      expect(queens.size).toBe(new Set([...parseKeeperFile(before, 'x').queens.keys(), name]).size);
    }
  });

  it('says when comments are lost', () => {
    const before = '# mine\nqueens = { home = { url = "http://home:7833" } }\n';
    expect(withQueen(before, 'home', LAB).lostComments).toBe(true);
  });
});

describe('the file', () => {
  let folder: TempDir;
  let path: string;
  beforeEach(async () => {
    folder = await tempDir();
    path = join(folder.path, 'config/rbee/keeper.toml');
  });
  afterEach(() => folder.remove());

  it('is readable by its owner only, also if it was not before', async () => {
    await saveQueen(path, 'lab', LAB);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, '# mine\n', { mode: 0o644 });
    await saveQueen(path, 'lab', LAB);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readFile(path, 'utf8')).toContain('# mine');
  });

  it('stays a link to where it leads', async () => {
    const real = join(folder.path, 'dotfiles.toml');
    await writeFile(real, '');
    await mkdir(dirname(path), { recursive: true });
    await symlink(real, path);
    await saveQueen(path, 'lab', LAB);
    expect(await readFile(real, 'utf8')).toContain('[queens.lab]');
  });
});
