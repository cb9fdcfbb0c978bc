import { mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { discardPartial, type FileRequest, transferFile } from '../../src/index.ts';
import { type Journal, journalPathOf, printJournal } from '../../src/partial/journal.ts';
import { serve } from '../fault-server.ts';
import { createFixture, type Fixture, sha256Of } from '../fixture.ts';

/** A partial that an earlier run left, and what a later run makes of it. */
let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture();
});
afterEach(() => fixture.close());

const kept = 1_234_567;
const codes = () => fixture.notices.map(({ code }) => code);
const ranges = () => fixture.server.requests.map(({ headers }) => headers.range);
const expectRightFile = async () => {
  expect(fixture.file.content.equals(await fixture.finalContent())).toBe(true);
  expect(await fixture.names()).toEqual(['blob']);
};

function journalOf(change: Partial<Journal> = {}): Journal {
  const { content } = fixture.file;
  const url = `${fixture.server.url}/model.bin`;
  const known = { boot: null, url, validator: '"v1"', size: content.length, sha256: sha256Of(content), gitSha1: null };
  return { ...known, ranges: [[0, kept]], ...change };
}

async function leave(bytes: Buffer, journal: Journal | string | Buffer | null): Promise<void> {
  await writeFile(fixture.partialPath, bytes);
  if (journal === null) return;
  const text = typeof journal === 'string' || Buffer.isBuffer(journal) ? journal : printJournal(journal);
  await writeFile(journalPathOf(fixture.partialPath), text);
}

const head = () => fixture.file.content.subarray(0, kept);
const run = (change?: Partial<FileRequest>) => transferFile(fixture.request(change), fixture.options());

describe('a partial with a good journal', () => {
  test('is resumed, and its bytes count as reused from the first state on', async () => {
    await leave(head(), journalOf());
    const result = await run();
    await expectRightFile();
    expect(result).toMatchObject({ reused: kept, wasted: 0 });
    expect(ranges()).toEqual([`bytes=${kept}-`]);
    expect(fixture.server.requests[0]?.headers['if-range']).toBe('"v1"');
    expect(fixture.states[0]).toMatchObject({ phase: 'starting', bytes: kept, reused: kept });
    expect(codes()).toEqual(['RESUME']);
  });

  test('does not trust bytes after the claim of the journal', async () => {
    await leave(Buffer.concat([head(), Buffer.alloc(5_000_000, 'junk')]), journalOf());
    const result = await run();
    await expectRightFile();
    expect(result.reused).toBe(kept);
  });

  test('is resumed without a validator if a digest is checked at the end', async () => {
    await leave(head(), journalOf({ validator: null }));
    await run();
    await expectRightFile();
    expect(ranges()).toEqual([`bytes=${kept}-`]);
    expect(fixture.server.requests[0]?.headers).not.toHaveProperty('if-range');
  });

  test('is resumed at another address if a digest is checked at the end', async () => {
    await leave(head(), journalOf({ url: 'https://elsewhere.example/x' }));
    expect((await run()).reused).toBe(kept);
    await expectRightFile();
  });

  test('that was damaged on disk is detected, and fetched again', async () => {
    const bad = Buffer.from(head());
    bad[77] = (bad[77] ?? 0) ^ 1;
    await leave(bad, journalOf());
    const result = await run();
    await expectRightFile();
    expect(result).toMatchObject({ reused: 0, wasted: fixture.file.content.length });
    expect(codes()).toEqual(['RESUME', 'RESTART']);
  });

  test('is fetched again if the source has changed meanwhile', async () => {
    await leave(head(), journalOf({ validator: '"v0"' }));
    const result = await run();
    await expectRightFile();
    expect(result).toMatchObject({ reused: 0, wasted: kept });
  });
});

describe('a complete partial', () => {
  test('is verified and committed without a request', async () => {
    const { content } = fixture.file;
    await leave(content, journalOf({ ranges: [[0, content.length]] }));
    const locate = () => Promise.reject(new Error('nobody should ask'));
    const result = await run({ locate });
    await expectRightFile();
    expect(result).toMatchObject({ reused: content.length, wasted: 0 });
    expect(fixture.server.requests).toEqual([]);
  });

  test('without a digest is confirmed by the server, which has nothing to add', async () => {
    const { content } = fixture.file;
    await leave(content, journalOf({ ranges: [[0, content.length]], sha256: null }));
    const result = await run({ sha256: null });
    await expectRightFile();
    expect(result).toMatchObject({ reused: content.length, wasted: 0 });
    expect(fixture.server.bytesSent).toBe(0);
  });

  test('of an older, shorter version is fetched again', async () => {
    await leave(head(), journalOf({ size: null, sha256: null, validator: '"v0"' }));
    fixture.server.fallback(serve(fixture.file));
    await run({ size: null, sha256: null });
    await expectRightFile();
  });
});

describe('a partial is started over', () => {
  test.each<[string, () => Promise<void>, Partial<FileRequest>, string[]]>([
    ['without a journal', () => leave(head(), null), {}, []],
    ['with an empty journal', () => leave(head(), ''), {}, ['RESTART']],
    ['with a journal of another digest', () => leave(head(), journalOf({ sha256: 'ab'.repeat(32) })), {}, ['RESTART']],
    ['with a journal of another size', () => leave(head(), journalOf({ size: 5_000_000 })), {}, ['RESTART']],
    ['that is shorter than its journal claims', () => leave(head().subarray(1), journalOf()), {}, ['RESTART']],
    [
      'that nothing can prove',
      () => leave(head(), journalOf({ validator: null, sha256: null })),
      { sha256: null },
      ['RESTART'],
    ],
    [
      'that came from another address, where no digest is known',
      () => leave(head(), journalOf({ url: 'https://elsewhere.example/x', sha256: null })),
      { sha256: null },
      ['RESTART'],
    ],
  ])('%s', async (_what, prepare, change, notices) => {
    await prepare();
    const result = await run(change);
    await expectRightFile();
    expect(result.reused).toBe(0);
    expect(ranges()).toEqual([undefined]);
    expect(codes()).toEqual(notices);
  });

  test('if its journal is damaged in any way, and the file is never wrong', async () => {
    // Small, since every case is a whole transfer.
    await fixture.close();
    fixture = await createFixture(300_000);
    const claimed = 100_000;
    const good = Buffer.from(printJournal(journalOf({ sha256: null, ranges: [[0, claimed]] })));
    const damage = fc.oneof(
      fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, flip]) => {
        const bad = Buffer.from(good);
        bad[at] = (bad[at] ?? 0) ^ flip;
        return bad;
      }),
      fc.nat(good.length - 1).map((length) => good.subarray(0, length)),
      fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
      fc.json().map((text) => Buffer.from(text)),
    );
    // The partial holds wrong bytes and no digest is known, so that any trust in the journal would show.
    await fc.assert(
      fc.asyncProperty(damage, async (journal) => {
        await leave(Buffer.alloc(claimed, 'wrong'), journal);
        await run({ sha256: null });
        await expectRightFile();
      }),
      { numRuns: 60 },
    );
  });
});

test('without a validator and a digest an interrupted transfer starts over', async () => {
  const { file, server } = fixture;
  const bare = { content: file.content };
  server.script(serve(bare, { bytes: 1_200_000 }));
  server.fallback(serve(bare));
  const result = await run({ sha256: null });
  await expectRightFile();
  expect(result.wasted).toBeGreaterThan(1_000_000);
  expect(ranges()).toEqual([undefined, undefined]);
});

test('a failed transfer leaves a partial that the next one resumes', async () => {
  const { file, server, partialPath } = fixture;
  server.fallback((_request, response) => void response.writeHead(418).end());
  server.script(serve(file, { bytes: 1_200_000 }));
  await expect(run()).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  const journal = await readFile(journalPathOf(partialPath), 'utf8');
  expect(journal).not.toMatch(/secret|\?/);
  server.fallback(serve(file));
  const result = await run();
  await expectRightFile();
  expect(result.reused).toBe((JSON.parse(journal) as Journal).ranges[0]?.[1]);
  expect(result.reused).toBeGreaterThan(1_000_000);
});

describe('discarding', () => {
  test('removes the partial and its journal and returns the bytes freed', async () => {
    await leave(head(), journalOf());
    const { size } = await stat(journalPathOf(fixture.partialPath));
    expect(await discardPartial(fixture.partialPath)).toBe(kept + size);
    expect(await fixture.names()).toEqual([]);
  });

  test('does nothing if there is nothing, not even a folder', async () => {
    expect(await discardPartial(fixture.partialPath)).toBe(0);
    expect(await discardPartial(`${fixture.folder}/none/x.rbee-partial`)).toBe(0);
  });

  test('fails if it cannot remove', async () => {
    await mkdir(fixture.partialPath);
    const handle = await open(`${fixture.partialPath}/x`, 'w');
    await handle.close();
    await expect(discardPartial(fixture.partialPath)).rejects.toThrow();
  });
});
