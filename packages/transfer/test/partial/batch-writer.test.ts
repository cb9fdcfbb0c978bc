import { randomBytes } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BatchWriter, type WritableHandle } from '../../src/partial/batch-writer.ts';
import { createFixture, type Fixture } from '../fixture.ts';

let fixture: Fixture;
let handle: FileHandle;
beforeEach(async () => {
  fixture = await createFixture(1);
  handle = await open(fixture.partialPath, 'w+');
});
afterEach(async () => {
  await handle.close();
  await fixture.close();
});

const content = randomBytes(3_000_000);

/** The real file, but each write takes as long and as many bytes as the test says. */
function unruly(delays: number[], shares: number[]): WritableHandle {
  let call = 0;
  const late = async () => {
    const turns = delays[call++ % delays.length] ?? 0;
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const share = (bytes: number) => Math.max(1, Math.floor(bytes * (shares[call % shares.length] ?? 1)));
  return {
    writev: async (buffers: Buffer[], position: number) => {
      await late();
      const all = Buffer.concat(buffers);
      return handle.write(all, 0, share(all.length), position);
    },
    write: async (buffer: Buffer, offset: number, length: number, position: number) => {
      await late();
      return handle.write(buffer, offset, share(length), position);
    },
  } as unknown as WritableHandle;
}

describe('chunks of any size', () => {
  test('are in the file once the frontier has passed them, however late and short the writes are', async () => {
    const chunks = fc.array(fc.integer({ min: 1, max: 400_000 }), { minLength: 1, maxLength: 12 });
    const delays = fc.array(fc.nat(6), { minLength: 1, maxLength: 7 });
    const shares = fc.array(fc.constantFrom(1, 1, 0.5, 0.01), { minLength: 1, maxLength: 7 });
    const plan = fc.record({ chunks, delays, shares, position: fc.nat(100_000) });
    await fc.assert(
      fc.asyncProperty(plan, async ({ chunks: sizes, delays: waits, shares: parts, position }) => {
        await handle.truncate(0);
        const frontiers: number[] = [];
        const checks: Promise<void>[] = [];
        const writer = new BatchWriter({
          handle: unruly(waits, parts),
          position,
          onError: (error) => expect.unreachable(String(error)),
          onFrontier: (frontier) => {
            const from = frontiers.at(-1) ?? position;
            frontiers.push(frontier);
            checks.push(expectOnDisk(from, frontier, position));
          },
        });
        let sent = 0;
        for (const size of sizes) {
          const chunk = content.subarray(sent, Math.min(sent + size, content.length));
          writer.write(Buffer.from(chunk));
          sent += chunk.length;
        }
        await writer.flush();
        await Promise.all(checks);
        expect(frontiers).toEqual(frontiers.toSorted((a, b) => a - b));
        expect(frontiers.at(-1)).toBe(position + sent);
      }),
      { numRuns: 60 },
    );
  });

  async function expectOnDisk(from: number, to: number, position: number): Promise<void> {
    const read = Buffer.alloc(to - from);
    await handle.read(read, 0, read.length, from);
    expect(read.equals(content.subarray(from - position, to - position))).toBe(true);
  }
});

test('a chunk is written even if no other follows', async () => {
  const written = Promise.withResolvers<number>();
  const writer = new BatchWriter({ handle, position: 0, onError: written.reject, onFrontier: written.resolve });
  writer.write(Buffer.from('a slow start'));
  expect(await written.promise).toBe(12);
  await writer.flush();
});

test('many tiny chunks are written, too', async () => {
  const writer = new BatchWriter({ handle, position: 0, onError: () => {}, onFrontier: () => {} });
  for (let i = 0; i < 5_000; i += 1) writer.write(Buffer.from([i & 0xff]));
  await writer.flush();
  const { size } = await handle.stat();
  expect(size).toBe(5_000);
});

test('the frontier does not pass a failed write, and flush rejects with the first error', async () => {
  const full = Object.assign(new Error('no room'), { code: 'ENOSPC' });
  let calls = 0;
  const failing = {
    writev: async (buffers: Buffer[], position: number) => {
      calls += 1;
      if (calls === 1) throw full;
      return handle.writev(buffers, position);
    },
    write: handle.write.bind(handle),
  } as unknown as WritableHandle;
  const frontiers: number[] = [];
  const errors: unknown[] = [];
  const writer = new BatchWriter({
    handle: failing,
    position: 0,
    onError: (error) => void errors.push(error),
    onFrontier: (frontier) => void frontiers.push(frontier),
  });
  for (let i = 0; i < 16; i += 1) writer.write(Buffer.alloc(65_536));
  await expect(writer.flush()).rejects.toBe(full);
  expect(errors).toEqual([full]);
  expect(frontiers).toEqual([]);
});
