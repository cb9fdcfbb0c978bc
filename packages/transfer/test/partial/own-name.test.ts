import { execFile } from 'node:child_process';
import {
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { transferFile } from '../../src/index.ts';
import { journalPathOf, liveJournalPathOf, loadJournal, saveJournal } from '../../src/partial/journal.ts';
import { openPartial } from '../../src/partial/open-partial.ts';
import { serve, stall } from '../fault-server.ts';
import { createFixture, type Fixture } from '../fixture.ts';

const run = promisify(execFile);
const VICTIM = 'a file that is nobody’s download';

let fixture: Fixture;
let victim: string;
beforeEach(async () => {
  fixture = await createFixture(3_000_000);
  await mkdir(join(fixture.folder, 'outside'));
  victim = join(fixture.folder, 'outside', 'victim');
  await writeFile(victim, VICTIM);
});
afterEach(() => fixture.close());

async function expectRight(): Promise<void> {
  expect(fixture.file.content.equals(await fixture.finalContent())).toBe(true);
  const stats = await lstat(fixture.finalPath);
  expect([stats.isFile(), stats.nlink]).toEqual([true, 1]);
  expect(await readFile(victim, 'utf8')).toBe(VICTIM);
}

const fetched = () => transferFile(fixture.request(), fixture.options());

describe('what another user of the folder put in the place of a partial', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['a symbolic link', () => symlink(victim, fixture.partialPath)],
    ['a second name of a file', () => link(victim, fixture.partialPath)],
    ['a link to nothing', () => symlink(join(fixture.folder, 'outside', 'none'), fixture.partialPath)],
    ['a link to a device', () => symlink('/dev/null', fixture.partialPath)],
    ['a pipe', () => run('mkfifo', [fixture.partialPath])],
  ])('[E7] is removed, and nothing is written through it: %s', async (_, plant) => {
    await plant();
    await fetched();
    await expectRight();
    expect((await readdir(join(fixture.folder, 'outside'))).sort()).toEqual(['victim']);
    expect(await fixture.names()).toEqual(['blob', 'outside']);
  });

  test('[E7] does not count as bytes that are there, whatever a journal beside it claims', async () => {
    await truncate(victim, 3_000_000);
    await link(victim, fixture.partialPath);
    const { size, sha256, gitSha1 } = fixture.request();
    const facts = { url: `${fixture.server.url}/model.bin`, validator: null, size, sha256, gitSha1 };
    await saveJournal(fixture.partialPath, { ...facts, boot: null, ranges: [[0, 3_000_000]] });
    const result = await fetched();
    expect(result.reused).toBe(0);
    expect(fixture.file.content.equals(await fixture.finalContent())).toBe(true);
    expect(
      (await readFile(victim)).equals(
        Buffer.concat([Buffer.from(VICTIM), Buffer.alloc(3_000_000 - Buffer.byteLength(VICTIM))]),
      ),
    ).toBe(true);
    expect(fixture.notices).toMatchObject([{ code: 'RESTART' }]);
  });
});

describe('a link in the place of a journal', () => {
  test.each<[string, (partial: string) => string]>([
    ['the new synced one', (partial) => `${journalPathOf(partial)}-new`],
    ['the new live one', (partial) => `${liveJournalPathOf(partial)}-new`],
    ['the synced one', journalPathOf],
    ['the live one', liveJournalPathOf],
  ])('[E7] is not written through: %s', async (_, pathOf) => {
    await symlink(victim, pathOf(fixture.partialPath));
    const { size, sha256, gitSha1 } = fixture.request();
    const facts = { url: 'https://host/x', validator: null, size, sha256, gitSha1 };
    await saveJournal(fixture.partialPath, { ...facts, boot: null, ranges: [[0, 10]] });
    await saveJournal(fixture.partialPath, { ...facts, boot: 'a boot', ranges: [[0, 20]] });
    expect(await readFile(victim, 'utf8')).toBe(VICTIM);
    expect(await loadJournal(fixture.partialPath, 'a boot')).toMatchObject({ journal: { ranges: [[0, 20]] } });
    await fetched();
    await expectRight();
  });

  test('[E7] is not read through either, nor is a pipe waited for', async () => {
    await symlink(victim, journalPathOf(fixture.partialPath));
    await run('mkfifo', [liveJournalPathOf(fixture.partialPath)]);
    expect(await loadJournal(fixture.partialPath, 'a boot')).toEqual({ state: 'damaged' });
    await fetched();
    await expectRight();
  });

  test('[E7] of an older version is not copied to the present name', async () => {
    const older = fixture.partialPath.replace(/-partial$/, '.incomplete');
    await writeFile(older, 'x');
    await symlink(victim, journalPathOf(older));
    const partial = await openPartial(fixture.partialPath, fixture.request());
    await partial.close();
    expect(await fixture.names()).toEqual(['blob.rbee-partial', 'outside']);
    expect(await readFile(victim, 'utf8')).toBe(VICTIM);
  });
});

describe('a partial that is deleted while it is written', () => {
  const away = () => rm(fixture.partialPath);
  const moved = () => rename(fixture.partialPath, join(fixture.folder, 'outside', 'moved'));
  const replaced = async () => {
    await writeFile(join(fixture.folder, 'outside', 'other'), 'other bytes');
    await rename(join(fixture.folder, 'outside', 'other'), fixture.partialPath);
  };

  test.each([
    ['deleted', away],
    ['moved away', moved],
    ['replaced by another file', replaced],
  ])('[G3] is started again with a notice, and the file is right: %s', async (_, take) => {
    const { server, file } = fixture;
    server.script(serve(file, { bytesPerSecond: 1_000_000 }));
    const done = fetched();
    await fixture.until(({ bytes }) => bytes > 500_000);
    await take();
    const result = await done;
    await expectRight();
    expect(fixture.notices.filter(({ code }) => code === 'RESTART')).toMatchObject([
      { message: 'model.bin starts over: its partial was deleted while it was written' },
    ]);
    expect(result).toMatchObject({ bytes: 3_000_000, reused: 0 });
    expect(result.wasted).toBeGreaterThan(500_000);
    // The bytes fall only by what is reported as wasted.
    for (const [index, state] of fixture.states.entries()) {
      const before = fixture.states[index - 1] ?? state;
      expect(state.bytes + state.wasted).toBeGreaterThanOrEqual(before.bytes + before.wasted);
    }
  });

  test('[G3] is started again when it is gone before its final name', async () => {
    const { server, file } = fixture;
    server.script(serve(file, { bytesPerSecond: 4_000_000 }));
    const done = fetched();
    await fixture.until(({ bytes }) => bytes > 0);
    await away();
    expect((await done).wasted).toBeGreaterThan(0);
    await expectRight();
  });

  test('[G3] ends with STORE_NOT_WRITABLE if that happens again and again', async () => {
    const { server, file } = fixture;
    server.fallback(serve(file, { bytesPerSecond: 2_000_000 }));
    const options = fixture.options({
      onState: ({ bytes }) => {
        if (bytes > 200_000) void rm(fixture.partialPath, { force: true });
      },
    });
    await expect(transferFile(fixture.request(), options)).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      message: expect.stringContaining('was deleted again and again'),
    });
    expect(fixture.notices.filter(({ code }) => code === 'RESTART')).toHaveLength(3);
    expect(await fixture.names()).toEqual(['outside']);
  });

  test('[G3] leaves no journal that would describe the next one', async () => {
    const { server, file } = fixture;
    server.script(serve(file, { bytes: 2_000_000, after: stall }));
    const done = fetched();
    await fixture.until(({ bytes }) => bytes > 1_500_000);
    await away();
    fixture.abort.abort(new Error('stopped'));
    await expect(done).rejects.toThrow('stopped');
    expect(await fixture.names()).toEqual(['outside']);
  });
});

describe('claims beyond the end of a partial', () => {
  test.each<[string, [number, number][], number, [number, number][]]>([
    ['the last range is cut', [[0, 100]], 60, [[0, 60]]],
    [
      'a range behind the end is dropped',
      [
        [0, 10],
        [50, 100],
      ],
      30,
      [[0, 10]],
    ],
    [
      'a range that begins at the end is dropped',
      [
        [0, 10],
        [30, 100],
      ],
      30,
      [[0, 10]],
    ],
    [
      'the second of two is cut',
      [
        [0, 10],
        [20, 100],
      ],
      30,
      [
        [0, 10],
        [20, 30],
      ],
    ],
    ['nothing is cut where all is there', [[0, 100]], 100, [[0, 100]]],
    ['nothing is left of an empty file', [[0, 100]], 0, []],
  ])('[E8] are cut there: %s', async (_, ranges, length, kept) => {
    const handle = await open(fixture.partialPath, 'w');
    await handle.truncate(length);
    await handle.close();
    const wanted = { size: 3_000_000, sha256: 'a'.repeat(64), gitSha1: null };
    const facts = { url: 'https://host/x', validator: null, ...wanted };
    await saveJournal(fixture.partialPath, { ...facts, boot: null, ranges });
    const partial = await openPartial(fixture.partialPath, wanted);
    expect(partial.spans).toEqual(kept);
    await partial.close();
  });

  test('[E8] cost nothing of what lies before them: the rest is fetched, and the file is right', async () => {
    const { server, file, partialPath } = fixture;
    server.script(serve(file, { bytes: 2_000_000, after: stall }));
    const stopped = fetched();
    await fixture.until(({ bytes }) => bytes >= 2_000_000);
    fixture.abort.abort(new Error('stopped'));
    await expect(stopped).rejects.toThrow('stopped');
    const { size } = await lstat(partialPath);
    // A kill between the cut that makes room on a full disk and its journal.
    await truncate(partialPath, size - 65_536);
    const { signal } = new AbortController();
    const result = await transferFile(fixture.request(), fixture.options({ signal }));
    expect(result.reused).toBe(size - 65_536);
    await expectRight();
  });
});
