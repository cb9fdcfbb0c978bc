import { createHash } from 'node:crypto';
import { mkdir, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { modelIdOf, systemClock } from '@rbee/contract';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLayout, type Layout } from '../../src/store/layout.ts';
import { openStore, type Store } from '../../src/store/store.ts';

// Goal: the digest of a file that is there costs no read of gigabytes where the catalog knows it, and a read that is
// needed can be stopped. Method: a blob whose bytes are other than the catalog says, so that the answer tells its source.

const PLACE = 'https:example.com--model.bin';
const BLOB = 'etag-1';
const SIZE = 17 * 2 ** 20;
const KNOWN = 'ab'.repeat(32);
const never = new AbortController().signal;
const zeros = createHash('sha256').update(Buffer.alloc(SIZE)).digest('hex');

let folder: TempDir;
let layout: Layout;
let store: Store;
beforeEach(async () => {
  folder = await tempDir();
  layout = createLayout(`${folder.path}/hub`);
  store = await openStore(layout, { clock: systemClock });
  await putBlob(SIZE);
});
afterEach(() => folder.remove());

async function putBlob(size: number): Promise<void> {
  await mkdir(dirname(layout.blob(PLACE, BLOB)), { recursive: true });
  await writeFile(layout.blob(PLACE, BLOB), '');
  await truncate(layout.blob(PLACE, BLOB), size);
}

const publish = (sha256: string | null) =>
  store.publish({
    ...{
      place: PLACE,
      revision: 'main',
      commit: 'c'.repeat(40),
      modelRef: `https://example.com/model.bin::sha256=${KNOWN}`,
    },
    files: [{ path: 'model.bin', blobName: BLOB, sha256 }],
  });

async function sha256Of(signal: AbortSignal) {
  const path = layout.blob(PLACE, BLOB);
  const { size: bytes } = await stat(path);
  const wanted = { blobName: BLOB, sha256: null, gitSha1: null };
  return store.sha256Of(PLACE, { path, bytes, isBlob: true }, wanted, signal);
}

describe('the digest of a blob whose name is none', () => {
  it('[J2] is what the catalog has from its download, without a read', async () => {
    await publish(KNOWN);
    expect(await sha256Of(never)).toBe(KNOWN);
    expect(modelIdOf(`https://example.com/model.bin::sha256=${KNOWN}`)).toMatch(/^m-/);
  });

  it.each([
    ['no entry has it', async () => {}],
    ['the entry has no digest', () => publish(null)],
    [
      'the file was written after its download',
      async () => {
        await publish(KNOWN);
        const later = new Date(Date.now() + 60_000);
        await utimes(layout.blob(PLACE, BLOB), later, later);
      },
    ],
    [
      'the file has another size than the entry',
      async () => {
        await publish(KNOWN);
        await putBlob(SIZE + 1);
        await truncate(layout.blob(PLACE, BLOB), SIZE);
        const later = new Date(Date.now() + 60_000);
        await utimes(layout.blob(PLACE, BLOB), later, later);
      },
    ],
  ])('[J2] is read from the file if %s', async (_, prepare) => {
    await prepare();
    expect(await sha256Of(never)).toBe(zeros);
  });

  it('[J2] is not waited for when the download is stopped, however long the file', async () => {
    // Days of reading.
    await putBlob(2 ** 43);
    const stop = new AbortController();
    const hashing = sha256Of(stop.signal);
    setImmediate(() => stop.abort(new Error('cancelled')));
    await expect(hashing).rejects.toThrow('cancelled');
  });
});
