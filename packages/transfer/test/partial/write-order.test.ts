import { randomBytes } from 'node:crypto';
import { readSync } from 'node:fs';
import { type FileHandle, open, readdir, readlink } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createDigester } from '../../src/digest/digest.ts';
import { PartialFile } from '../../src/partial/partial-file.ts';
import { addSpan, bytesOf, type Span } from '../../src/partial/spans.ts';
import { createFixture, type Fixture, gitSha1Of, sha256Of } from '../fixture.ts';

/*
 * Goal: what is hashed behind the frontier while ranges are written side by side is the file. Method: several writers at a
 * time write pieces of a file in any order into one partial, whose writes end late, short and in any order; the digester
 * gets each frontier. Failure shows as a byte on disk that the partial claims too early, or as a digest that is off.
 */
const content = randomBytes(3_000_000);
const testTimeoutMs = 60_000;
const maxLooks = 200;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(1);
});
afterEach(() => fixture.close());

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** The real file, but each write takes as long and as many bytes as the test says. */
function unruly(handle: FileHandle, delays: readonly number[], shares: readonly number[]): FileHandle {
  let call = 0;
  const late = async () => {
    call += 1;
    for (let turns = delays[call % delays.length] ?? 0; turns > 0; turns -= 1) await turn();
  };
  const share = (bytes: number) => Math.max(1, Math.floor(bytes * (shares[call % shares.length] ?? 1)));
  const odd = {
    writev: async (buffers: Buffer[], position: number) => {
      await late();
      const all = Buffer.concat(buffers);
      return handle.write(all, 0, share(all.length), position);
    },
    write: async (buffer: Buffer, offset: number, length: number, position: number) => {
      await late();
      return handle.write(buffer, offset, share(length), position);
    },
  };
  return new Proxy(handle, {
    get: (target, name) => {
      const value: unknown = Reflect.get(name in odd ? odd : target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface Piece {
  readonly span: Span;
  readonly rank: number;
  readonly isThere: boolean;
}

const plan = fc.record({
  pieces: fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 300_000 }), rank: fc.nat(), isThere: fc.boolean() }), {
    minLength: 1,
    maxLength: 9,
  }),
  writers: fc.integer({ min: 1, max: 4 }),
  chunks: fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 1, maxLength: 5 }),
  delays: fc.array(fc.nat(8), { minLength: 1, maxLength: 7 }),
  shares: fc.array(fc.constantFrom(1, 1, 0.5, 0.01), { minLength: 1, maxLength: 7 }),
  isGit: fc.boolean(),
});

test(
  'ranges that are written in any order by several hash right behind the frontier',
  async () => {
    await fc.assert(
      fc.asyncProperty(plan, async ({ pieces: raw, writers, chunks, delays, shares, isGit }) => {
        const pieces = placed(raw);
        const size = pieces.at(-1)?.span[1] ?? 0;
        const file = content.subarray(0, size);
        const handle = await open(fixture.partialPath, 'w+');
        // What an earlier run left counts, and is hashed with the rest.
        const found = pieces.filter(({ isThere }) => isThere).map(({ span }) => span);
        for (const [start, end] of found) await handle.write(file, start, end - start, start);
        const spans = found.reduce(addSpan, [] as readonly Span[]);
        const wanted = { size, sha256: sha256Of(file), gitSha1: null };
        const origin = { state: 'kept', spans, size, source: { url: 'http://x/', validator: '"v1"' } } as const;
        const partial = new PartialFile(fixture.partialPath, unruly(handle, delays, shares), wanted, origin, null);
        // Without a size the digester is the one of large files, in a thread of its own.
        const digester = createDigester({ path: fixture.partialPath, size: isGit ? size : null, isGit });
        try {
          let checked: readonly Span[] = partial.spans;
          digester.advance(partial.frontier);
          if (!isGit) await isOpenTwice(fixture.partialPath);
          // Thrown inside a writer it would be a failure of the writer.
          const failures: unknown[] = [];
          const onWritten = () => {
            try {
              for (const span of [...partial.spans, [0, partial.frontier] as const])
                expectOnDisk(handle.fd, file, span);
              expect(bytesOf(partial.spans)).toBeGreaterThanOrEqual(bytesOf(checked));
            } catch (error) {
              failures.push(error);
            }
            checked = partial.spans;
            digester.advance(partial.frontier);
          };
          const missing = pieces.filter(({ isThere }) => !isThere).sort((a, b) => a.rank - b.rank);
          const queue = missing.map(({ span }) => span);
          const work = async () => {
            for (let span = queue.shift(); span !== undefined; span = queue.shift()) {
              await writeOut(partial, file, span, chunks, onWritten);
            }
          };
          await Promise.all(Array.from({ length: writers }, work));
          if (failures.length > 0) throw failures[0];
          expect(partial.spans).toEqual([[0, size]]);
          const digests = await digester.finish(size);
          expect(digests).toEqual({ sha256: sha256Of(file), gitSha1: isGit ? gitSha1Of(file) : null });
        } finally {
          await digester.close();
          await partial.stop();
        }
      }),
      { numRuns: 40 },
    );
  },
  testTimeoutMs,
);

function placed(raw: readonly { bytes: number; rank: number; isThere: boolean }[]): Piece[] {
  let end = 0;
  return raw.map(({ bytes, rank, isThere }) => {
    const start = end;
    end += bytes;
    return { span: [start, end], rank, isThere };
  });
}

async function writeOut(
  partial: PartialFile,
  file: Buffer,
  [start, end]: Span,
  chunks: readonly number[],
  onWritten: () => void,
): Promise<void> {
  let ready = Promise.withResolvers<void>();
  const onError = (error: unknown) => expect.unreachable(String(error));
  const writer = partial.openWriter(start, { onWritten, onReady: () => ready.resolve(), onError });
  for (let at = start, i = 0; at < end; i += 1) {
    const to = Math.min(end, at + (chunks[i % chunks.length] ?? 1));
    ready = Promise.withResolvers<void>();
    const goesOn = writer.write(Buffer.from(file.subarray(at, to)));
    if (!goesOn) await ready.promise;
    at = to;
  }
  await writer.flush();
  expect(writer.written).toBe(end);
}

/** The digester's thread has the file open, so that it reads while the writers write. Only Linux tells. */
async function isOpenTwice(path: string): Promise<void> {
  const linkOf = (fd: string) => readlink(`/proc/self/fd/${fd}`).catch(() => '');
  if (process.platform !== 'linux') return;
  // A thread that has failed has closed it again, and says why at the end.
  for (let look = 0; look < maxLooks; look += 1) {
    const fds = await readdir('/proc/self/fd');
    const links = await Promise.all(fds.map(linkOf));
    if (links.filter((link) => link === path).length >= 2) return;
  }
}

/** Synchronously, so that nothing is written between the claim and the look. */
function expectOnDisk(fd: number, file: Buffer, [start, end]: Span): void {
  const read = Buffer.alloc(end - start);
  readSync(fd, read, 0, read.length, start);
  expect(read.equals(file.subarray(start, end))).toBe(true);
}
