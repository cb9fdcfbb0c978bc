import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDiskRoom, roomNeeded } from '../src/index.ts';

const GiB = 2 ** 30;

describe('the room that is needed', () => {
  test.each([
    [0, 0],
    [1, 1 + GiB],
    [20 * GiB, 21 * GiB],
    [100 * GiB, 105 * GiB],
  ])('for %d more bytes is %d', (rest, needed) => {
    expect(roomNeeded(rest)).toBe(needed);
  });
});

describe('room on a disk', () => {
  test('is refused before the first byte, with the numbers and what to do', async () => {
    const room = createDiskRoom(async () => 10 * GiB);
    await expect(room.claim(() => 9.5 * GiB)).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/GB are to be fetched and .* are free$/),
      hint: expect.stringContaining('prune'),
      details: { needed_bytes: 10.5 * GiB, free_bytes: 10 * GiB },
    });
  });

  test('that is promised is not promised again, until it is given back', async () => {
    const room = createDiskRoom(async () => 10 * GiB);
    const giveBack = await room.claim(() => 6 * GiB);
    await expect(room.claim(() => 6 * GiB)).rejects.toThrow('other downloads still need');
    giveBack();
    await expect(room.claim(() => 6 * GiB)).resolves.toBeTypeOf('function');
  });

  test('that has been used is no longer promised', async () => {
    let free = 10 * GiB;
    let rest = 6 * GiB;
    const room = createDiskRoom(async () => free);
    await room.claim(() => rest);
    rest -= 4 * GiB;
    free -= 4 * GiB;
    await expect(room.claim(() => 2 * GiB)).resolves.toBeTypeOf('function');
  });

  test('is not needed by what is there in full, also on a full disk', async () => {
    await expect(createDiskRoom(async () => 0).claim(() => 0)).resolves.toBeTypeOf('function');
  });

  test('of two who ask at once goes to the first', async () => {
    const room = createDiskRoom(async () => 10 * GiB);
    const [first, second] = await Promise.allSettled([room.claim(() => 6 * GiB), room.claim(() => 6 * GiB)]);
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('is never promised beyond what is free', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 40 }), sizes, async (free, wanted) => {
        const room = createDiskRoom(async () => free * GiB);
        const claims = await Promise.allSettled(wanted.map((size) => room.claim(() => size * GiB)));
        const promised = wanted.filter((_, index) => claims[index]?.status === 'fulfilled');
        expect(promised.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(free);
      }),
    );
  });
});
