import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inspectPartial } from '../../src/index.ts';
import { journalPathOf, saveJournal } from '../../src/partial/journal.ts';

const SHA256 = 'a'.repeat(64);
const URL = 'https://cdn.example/file';

let folder: TempDir;
let path: string;
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, 'x.rbee-partial');
});
afterEach(() => folder.remove());

async function putPartial(): Promise<void> {
  await writeFile(path, Buffer.alloc(100));
  const digests = { sha256: SHA256, gitSha1: null };
  await saveJournal(path, {
    boot: null,
    url: URL,
    validator: null,
    size: 1_000,
    ...digests,
    ranges: [
      [0, 40],
      [90, 100],
    ],
  });
}

describe('inspecting a partial', () => {
  it('gives the bytes, the total and the origin from its journal', async () => {
    await putPartial();
    expect(await inspectPartial(path)).toEqual({ bytes: 50, total: 1_000, url: URL });
    const wanted = { size: 1_000, sha256: SHA256, gitSha1: null };
    expect(await inspectPartial(path, wanted)).toEqual({ bytes: 50, total: 1_000, url: URL });
  });

  it('gives nothing for another file, or if its journal is damaged or missing', async () => {
    await putPartial();
    const nothing = { bytes: 0, total: null, url: null };
    expect(await inspectPartial(path, { size: 999, sha256: SHA256, gitSha1: null })).toEqual(nothing);
    expect(await inspectPartial(path, { size: 1_000, sha256: 'b'.repeat(64), gitSha1: null })).toEqual(nothing);
    await writeFile(journalPathOf(path), 'damaged');
    expect(await inspectPartial(path)).toEqual(nothing);
  });

  it('is null if there is none', async () => {
    expect(await inspectPartial(path)).toBeNull();
  });
});
