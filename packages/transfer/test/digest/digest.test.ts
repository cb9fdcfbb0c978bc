import { randomBytes } from 'node:crypto';
import { open, truncate, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createDigester, type Digester } from '../../src/digest/digest.ts';
import { createFixture, type Fixture, gitSha1Of, sha256Of } from '../fixture.ts';

const size = 5_000_000;
const content = randomBytes(size);

let fixture: Fixture;
let path: string;
const digesters: Digester[] = [];
beforeEach(async () => {
  fixture = await createFixture(1);
  path = fixture.partialPath;
});
afterEach(async () => {
  for (const digester of digesters.splice(0)) await digester.close();
  await fixture.close();
});

function create(options: { size: number | null; isGit: boolean }): Digester {
  const digester = createDigester({ path, ...options });
  digesters.push(digester);
  return digester;
}

describe('the digests of a file', () => {
  test.each([
    ['small, hashed at the end', 100_000, 100_000],
    ['large, hashed on the way', size, size],
    ['of unknown size', size, null],
    ['empty', 0, 0],
    ['empty and of unknown size', 0, null],
  ])('%s are right', async (_what, bytes, known) => {
    const file = content.subarray(0, bytes);
    await writeFile(path, file);
    expect(await create({ size: known, isGit: true }).finish(bytes)).toEqual({
      sha256: sha256Of(file),
      gitSha1: gitSha1Of(file),
    });
    expect(await create({ size: known, isGit: false }).finish(bytes)).toEqual({
      sha256: sha256Of(file),
      gitSha1: null,
    });
  });

  test('that grows are right, although the bytes after the frontier are still wrong', async () => {
    await writeFile(path, Buffer.alloc(size, 'not yet'));
    const digester = create({ size, isGit: true });
    const handle = await open(path, 'r+');
    for (let frontier = 0; frontier < size; ) {
      const end = Math.min(size, frontier + 333_333);
      await handle.write(content, frontier, end - frontier, frontier);
      frontier = end;
      digester.advance(frontier);
    }
    await handle.close();
    expect(await digester.finish(size)).toEqual({ sha256: sha256Of(content), gitSha1: gitSha1Of(content) });
  });
});

describe('a digest that fails', () => {
  test('finds the file too short', async () => {
    await writeFile(path, content);
    await truncate(path, 1_000_000);
    await expect(create({ size, isGit: false }).finish(size)).rejects.toThrow(/shorter/);
    await expect(create({ size: 1_500_000, isGit: false }).finish(1_500_000)).rejects.toThrow(/shorter/);
  });

  test('finds no file, with the error code of the system', async () => {
    await expect(create({ size, isGit: false }).finish(size)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(create({ size: 5, isGit: false }).finish(5)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('is stopped while it waits, reads or has not started, and never hangs', async () => {
    await writeFile(path, content);
    for (const begin of [() => {}, (d: Digester) => d.advance(1_000), (d: Digester) => d.advance(size)]) {
      const digester = create({ size, isGit: false });
      begin(digester);
      await digester.close();
      await expect(digester.finish(size)).rejects.toThrow(/stopped/);
      await digester.close();
    }
  });
});
