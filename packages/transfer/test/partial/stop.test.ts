import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadJournal } from '../../src/partial/journal.ts';
import type { WantedFile } from '../../src/partial/judge-journal.ts';
import { Disk, partialOn, write } from './disk.ts';

/*
 * Goal: what was shown as progress is still there after a pause or a stop, also when the disk is busy with an earlier sync.
 * Method: a real partial on a disk whose syncs end when the test says. Failure shows as a journal that claims less than is written.
 */
const KIB = 1024;
const WANTED: WantedFile = { size: 256 * KIB, sha256: 'a'.repeat(64), gitSha1: null };
const BOOT = 'a boot';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rbee-stop-'));
  path = join(folder, 'blob.rbee-partial');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function claims(boot: string | null) {
  const loaded = await loadJournal(path, boot);
  return loaded.state === 'read' ? loaded.journal.ranges : null;
}

/** A partial whose checkpoint syncs its first 64 KiB, while 64 KiB more are written. */
async function midSync(boot: string | null) {
  const disk = new Disk();
  disk.isManual = true;
  const partial = await partialOn(disk, path, WANTED, boot);
  await write(partial, 0, 64 * KIB);
  await vi.waitFor(() => expect(disk.waiting).toHaveLength(1), { timeout: 30_000 });
  await write(partial, 64 * KIB, 128 * KIB);
  return { disk, partial };
}

test.each([
  ['with a boot id', BOOT],
  ['without a boot id', null],
])('a stop waits for the sync that is running, and then claims everything written: %s', async (_, boot) => {
  const { disk, partial } = await midSync(boot);
  disk.isManual = false;
  const stopped = partial.stop(60_000);
  disk.waiting[0]?.succeed();
  await stopped;
  expect(await claims(boot)).toEqual([[0, 128 * KIB]]);
  expect(await readdir(folder)).toEqual(['blob.rbee-journal', 'blob.rbee-partial']);
});
