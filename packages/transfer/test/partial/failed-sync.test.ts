import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { journalPathOf, liveJournalPathOf, loadJournal, parseJournal } from '../../src/partial/journal.ts';
import type { WantedFile } from '../../src/partial/judge-journal.ts';
import { openPartial } from '../../src/partial/open-partial.ts';
import type { PartialFile } from '../../src/partial/partial-file.ts';
import { Disk, partialOn, write } from './disk.ts';

/*
 * Goal: what a failed sync may have lost is never claimed and never published. Method: a real partial whose handle fails one
 * sync, as the system does: the next one succeeds. Failure shows as a journal that claims more than the last good sync made
 * durable, or as a file under its final name.
 */
const KIB = 1024;
const SIZE = 256 * KIB;
const WANTED: WantedFile = { size: SIZE, sha256: 'a'.repeat(64), gitSha1: null };
const BOOT = 'a boot';

let folder: string;
let path: string;
let finalPath: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rbee-sync-'));
  path = join(folder, 'blob.rbee-partial');
  finalPath = join(folder, 'blob');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function syncedClaims() {
  const text = await readFile(journalPathOf(path), 'utf8').catch(() => null);
  return text === null ? null : (parseJournal(text)?.ranges ?? 'damaged');
}

/** Nothing on disk claims a byte beyond the last good sync, not even for a process of the same boot. */
async function expectOnlyDurable(claims: readonly (readonly [number, number])[] | null): Promise<void> {
  expect(await syncedClaims()).toEqual(claims);
  expect(await readdir(folder)).not.toContain('blob.rbee-journal-live');
  const loaded = await loadJournal(path, BOOT);
  expect(loaded.state === 'read' ? loaded.journal.ranges : null).toEqual(claims);
}

describe.each([
  ['with a boot id', BOOT],
  ['without a boot id', null],
])('after a sync that failed, %s,', (_, boot) => {
  test.each([
    ['EIO', 'of a checkpoint'],
    ['ENOSPC', 'of a checkpoint'],
    ['EDQUOT', 'of a checkpoint'],
  ])('[E1] nothing is claimed (%s, %s)', async (code) => {
    const disk = new Disk();
    disk.isManual = true;
    const partial = await partialOn(disk, path, WANTED, boot);
    const errors: unknown[] = [];
    const writer = partial.openWriter(0, { onWritten: () => {}, onReady: () => {}, onError: (e) => errors.push(e) });
    writer.write(Buffer.alloc(64 * KIB, 1));
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1), { timeout: 20_000 });
    disk.waiting[0]?.fail(code);
    disk.isManual = false;
    await vi.waitFor(() => expect(errors).toMatchObject([{ code }]), { timeout: 20_000 });
    await writer.flush();
    await partial.stop();
    await expectOnlyDurable(null);
    expect(disk.syncs).toBe(1);
  });

  test('[E1] nothing is claimed at the end (a stop)', async () => {
    const disk = new Disk();
    const partial = await partialOn(disk, path, WANTED, boot);
    await write(partial, 0, 64 * KIB);
    disk.failNext = true;
    await partial.stop();
    await expectOnlyDurable(null);
  });

  test('[E1] nothing is claimed at the end (a sync before the final name)', async () => {
    const disk = new Disk();
    const partial = await partialOn(disk, path, WANTED, boot);
    await write(partial, 0, 64 * KIB);
    disk.failNext = true;
    await expect(partial.sync()).rejects.toMatchObject({ code: 'EIO' });
    await partial.stop();
    await expectOnlyDurable(null);
  });

  test('[E1] nothing gets its final name (a sync of verify that failed once)', async () => {
    const disk = new Disk();
    const partial = await partialOn(disk, path, WANTED, boot);
    await write(partial, 0, SIZE);
    disk.failNext = true;
    await expect(partial.sync()).rejects.toMatchObject({ code: 'EIO' });
    await expect(partial.sync()).rejects.toMatchObject({ code: 'EIO' });
    await expect(partial.commit(finalPath)).rejects.toMatchObject({ code: 'EIO' });
    await partial.stop();
    expect(await readdir(folder)).not.toContain('blob');
    await expectOnlyDurable(null);
  });

  test('[E1] nothing gets its final name (a sync of commit that failed once)', async () => {
    const disk = new Disk();
    const partial = await partialOn(disk, path, WANTED, boot);
    await write(partial, 0, SIZE);
    disk.failNext = true;
    await expect(partial.commit(finalPath)).rejects.toMatchObject({ code: 'EIO' });
    await expect(partial.commit(finalPath)).rejects.toMatchObject({ code: 'EIO' });
    await partial.stop();
    expect(await readdir(folder)).not.toContain('blob');
    await expectOnlyDurable(null);
  });

  test('[E1] nothing gets its final name (a checkpoint that failed while nobody wrote)', async () => {
    const disk = new Disk();
    disk.isManual = true;
    const partial = await partialOn(disk, path, WANTED, boot);
    await write(partial, 0, SIZE);
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1), { timeout: 20_000 });
    const verified = partial.sync();
    disk.isManual = false;
    disk.waiting[0]?.fail('EIO');
    // The second one would succeed, although the bytes are lost.
    await expect(verified).rejects.toMatchObject({ code: 'EIO' });
    await expect(partial.commit(finalPath)).rejects.toMatchObject({ code: 'EIO' });
    await partial.stop();
    expect(await readdir(folder)).not.toContain('blob');
    await expectOnlyDurable(null);
  });

  test('[E1] a writer that is opened later hears of it at its first byte', async () => {
    const disk = new Disk();
    disk.isManual = true;
    const partial = await partialOn(disk, path, WANTED, boot);
    await write(partial, 0, 64 * KIB);
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1), { timeout: 20_000 });
    disk.isManual = false;
    disk.waiting[0]?.fail('EIO');
    await expect(partial.sync()).rejects.toMatchObject({ code: 'EIO' });
    await vi.waitFor(async () => {
      const errors: unknown[] = [];
      await write(partial, 64 * KIB, 65 * KIB, (error) => errors.push(error));
      expect(errors).toMatchObject([{ code: 'EIO' }]);
    });
    await partial.stop();
    await expectOnlyDurable(null);
  });
});

describe('a sync that failed', () => {
  test('[E1] leaves what an earlier one made durable', async () => {
    const disk = new Disk();
    const first = await partialOn(disk, path, WANTED, BOOT);
    await write(first, 0, 64 * KIB);
    await first.stop();
    await expectOnlyDurable([[0, 64 * KIB]]);

    const second = await openPartial(path, WANTED);
    expect(second.spans).toEqual([[0, 64 * KIB]]);
    await second.close();
  });

  test('[E1] leaves the journal of an earlier good sync of the same file', async () => {
    const disk = new Disk();
    const partial = await partialOn(disk, path, WANTED, BOOT);
    await write(partial, 0, 64 * KIB);
    await vi.waitFor(async () => expect(await syncedClaims()).toEqual([[0, 64 * KIB]]), { timeout: 20_000 });
    await write(partial, 64 * KIB, 128 * KIB);
    disk.failNext = true;
    await partial.stop();
    await expectOnlyDurable([[0, 64 * KIB]]);
  });

  test('[E1] leaves no live journal also after a stop that did not wait for it', async () => {
    const disk = new Disk();
    disk.isManual = true;
    const partial = await partialOn(disk, path, WANTED, BOOT);
    await write(partial, 0, 64 * KIB);
    await partial.stop(100);
    await expectOnlyDurable(null);
    disk.waiting[0]?.fail('EIO');
    await expect(partial.sync()).rejects.toMatchObject({ code: 'EIO' });
    await expectOnlyDurable(null);
  });

  test('[E1] leaves no live journal that was being written', async () => {
    const disk = new Disk();
    disk.isManual = true;
    const partial = await partialOn(disk, path, WANTED, BOOT);
    await write(partial, 0, 64 * KIB);
    const synced = partial.sync();
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1));
    await write(partial, 64 * KIB, 128 * KIB);
    disk.waiting[0]?.fail('EIO');
    await expect(synced).rejects.toMatchObject({ code: 'EIO' });
    await expectOnlyDurable(null);
    await partial.stop();
    await expectOnlyDurable(null);
  });

  test('[E1] makes two syncs at once fail both, though the system tells only one', async () => {
    const disk = new Disk();
    disk.failNext = true;
    const partial = await partialOn(disk, path, WANTED, BOOT);
    await write(partial, 0, 64 * KIB);
    const outcomes = await Promise.allSettled([partial.sync(), partial.sync(), partial.sync()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(disk.syncs).toBe(1);
    await partial.stop();
    await expectOnlyDurable(null);
  });
});

describe('while a sync runs, whose failure a killed process does not hear of,', () => {
  /** The live journal is written by itself 0.6 s after the first byte that it does not claim. */
  const liveClaims = async () => {
    const text = await readFile(liveJournalPathOf(path), 'utf8').catch(() => null);
    return text === null ? null : (parseJournal(text)?.ranges ?? 'damaged');
  };
  const waiting = { timeout: 20_000 };

  test.each([
    ['of a checkpoint', (_: PartialFile) => {}],
    ['of verify', (partial: PartialFile) => void partial.sync().catch(() => {})],
    ['of commit', (partial: PartialFile) => void partial.commit(finalPath).catch(() => {})],
    ['of a stop', (partial: PartialFile) => void partial.stop()],
  ])('[E1] nothing after the last good one is claimed (%s)', async (_, begin) => {
    const disk = new Disk();
    const partial = await partialOn(disk, path, WANTED, BOOT);
    await write(partial, 0, 64 * KIB);
    await vi.waitFor(async () => expect(await syncedClaims()).toEqual([[0, 64 * KIB]]), waiting);
    await write(partial, 64 * KIB, 128 * KIB);
    await vi.waitFor(async () => expect(await liveClaims()).toEqual([[0, 128 * KIB]]), waiting);
    disk.isManual = true;
    begin(partial);
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1), waiting);
    await expectOnlyDurable([[0, 64 * KIB]]);

    // More bytes come meanwhile: they are not claimed either before the sync has succeeded.
    await write(partial, 128 * KIB, 192 * KIB);
    await expectOnlyDurable([[0, 64 * KIB]]);
    disk.isManual = false;
    disk.waiting[0]?.fail('EIO');
    await expect(partial.sync()).rejects.toMatchObject({ code: 'EIO' });
    await partial.stop();
    await expectOnlyDurable([[0, 64 * KIB]]);
  });

  test('[E1] nothing is claimed by a process that is killed in it', async () => {
    const child = fileURLToPath(new URL('./hanging-sync-child.ts', import.meta.url));
    const program = await startProgram({
      command: process.execPath,
      args: ['--conditions=@rbee/source', child, path, String(SIZE)],
    });
    try {
      await program.waitForLine(({ text }) => text === 'syncing', 'a sync that does not end');
    } finally {
      await program.kill();
    }
    const next = await openPartial(path, WANTED);
    expect(next.spans).toEqual([[0, 64 * KIB]]);
    await next.close();
  });

  test('what arrived meanwhile is claimed as soon as it has succeeded', async () => {
    const disk = new Disk();
    disk.isManual = true;
    const partial = await partialOn(disk, path, WANTED, BOOT);
    await write(partial, 0, 64 * KIB);
    await vi.waitFor(() => expect(disk.waiting).toHaveLength(1), waiting);
    await write(partial, 64 * KIB, 128 * KIB);
    disk.waiting[0]?.succeed();
    await vi.waitFor(async () => expect(await liveClaims()).toEqual([[0, 128 * KIB]]), waiting);
    disk.isManual = false;
    for (const { succeed } of disk.waiting) succeed();
    await partial.stop();
    expect(await syncedClaims()).toEqual([[0, 128 * KIB]]);
    expect(await liveClaims()).toBeNull();
  });
});

test('the live journal lies where this test looks', () => {
  expect(liveJournalPathOf(path)).toBe(join(folder, 'blob.rbee-journal-live'));
});
