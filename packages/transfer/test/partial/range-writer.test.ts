import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { WritableHandle } from '../../src/partial/batch-writer.ts';
import { WriterSet } from '../../src/partial/range-writer.ts';

const KiB = 2 ** 10;
const MiB = 2 ** 20;
const mostUnwritten = 8 * MiB;

/** A real file whose writes wait for a gate. */
async function setUp() {
  const folder = await mkdtemp(join(tmpdir(), 'rbee-writers-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'file');
  const handle = await open(path, 'w+');
  onTestFinished(() => handle.close());
  const gate = Promise.withResolvers<void>();
  let writes = 0;
  const gated = {
    writev: async (buffers: Buffer[], position: number) => {
      writes += 1;
      await gate.promise;
      return handle.writev(buffers, position);
    },
    write: handle.write.bind(handle),
  } as unknown as WritableHandle;
  const released: Buffer[] = [];
  const set = new WriterSet({
    handle: gated,
    mustWait: () => false,
    onWritten: () => {},
    release: (chunk) => void released.push(chunk),
  });
  return { path, gate, set, released, writes: () => writes };
}

const listener = { onWritten: () => {}, onReady: () => {}, onError: () => {} };

test('writers share one memory limit, are held at it, and resume when the disk has caught up', async () => {
  const { path, gate, set, released } = await setUp();
  const content = randomBytes(12 * MiB);
  const ready = Promise.withResolvers<void>();
  const writer = set.open(0, { ...listener, onReady: () => ready.resolve() });
  let position = 0;
  const send = () => {
    const chunk = content.subarray(position, position + 64 * KiB);
    position += chunk.length;
    return writer.write(chunk);
  };
  while (send());
  expect(position).toBe(mostUnwritten);
  gate.resolve();
  await ready.promise;
  while (position < content.length) send();
  await writer.flush();
  expect((await readFile(path)).equals(content)).toBe(true);
  expect(released.reduce((bytes, { length }) => bytes + length, 0)).toBe(content.length);
});

test('held writers write what they have, since nobody sends the rest of a batch', async () => {
  const { gate, set, writes } = await setUp();
  const writers = Array.from({ length: 32 }, (_, index) => set.open(index * MiB, listener));
  // Each has less than a batch, and all of them as much as they may hold.
  const answers = writers.map((writer) => writer.write(Buffer.alloc(mostUnwritten / writers.length)));
  expect(answers.at(-2)).toBe(true);
  expect(answers.at(-1)).toBe(false);
  expect(writes()).toBe(writers.length);
  gate.resolve();
  await Promise.all(writers.map((writer) => writer.flush()));
});
