import { spaceNeeded } from '@rbee/contract';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDiskSpace, volumeOf } from '../../src/index.ts';

const GiB = 2 ** 30;
const FOLDER = '/models';
/** The only disk there is. */
const disk = (freeBytes: () => number | null) => async () => ({ device: 1, freeBytes: freeBytes() });

describe('the needed space', () => {
  test.each([
    [0, 0],
    [1, 1 + GiB],
    [20 * GiB, 21 * GiB],
    [100 * GiB, 105 * GiB],
  ])('for %d more bytes is %d', (rest, needed) => {
    expect(spaceNeeded(rest)).toBe(needed);
  });
});

describe('disk space', () => {
  test('is refused before the first byte, with numbers and a hint', async () => {
    const diskSpace = createDiskSpace(disk(() => 10 * GiB));
    await expect(diskSpace.claim(FOLDER, () => 9.5 * GiB)).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/GB to download and .* GB free$/),
      hint: expect.stringContaining('prune'),
      details: { needed_bytes: 10.5 * GiB, free_bytes: 10 * GiB },
    });
  });

  test('that is claimed is not available until it is released', async () => {
    const diskSpace = createDiskSpace(disk(() => 10 * GiB));
    const release = await diskSpace.claim(FOLDER, () => 6 * GiB);
    await expect(diskSpace.claim(FOLDER, () => 6 * GiB)).rejects.toThrow('other downloads still need');
    release();
    await expect(diskSpace.claim(FOLDER, () => 6 * GiB)).resolves.toBeTypeOf('function');
  });

  test('that has been written to is no longer claimed', async () => {
    let free = 10 * GiB;
    let rest = 6 * GiB;
    const diskSpace = createDiskSpace(disk(() => free));
    await diskSpace.claim(FOLDER, () => rest);
    rest -= 4 * GiB;
    free -= 4 * GiB;
    await expect(diskSpace.claim(FOLDER, () => 2 * GiB)).resolves.toBeTypeOf('function');
  });

  test('is not needed for a complete file, even on a full disk', async () => {
    await expect(createDiskSpace(disk(() => 0)).claim(FOLDER, () => 0)).resolves.toBeTypeOf('function');
  });

  test('of two concurrent claims goes to the first', async () => {
    const diskSpace = createDiskSpace(disk(() => 10 * GiB));
    const [first, second] = await Promise.allSettled([
      diskSpace.claim(FOLDER, () => 6 * GiB),
      diskSpace.claim(FOLDER, () => 6 * GiB),
    ]);
    expect([first.status, second.status]).toEqual(['fulfilled', 'rejected']);
  });

  test('is counted per disk', async () => {
    const disks = new Map([
      ['/large', { device: 1, freeBytes: 10 * GiB }],
      ['/small', { device: 2, freeBytes: 2.5 * GiB }],
    ]);
    const looked: string[] = [];
    const diskSpace = createDiskSpace(async (folder) => {
      looked.push(folder);
      const volume = disks.get(folder);
      if (!volume) throw new Error('this disk is broken');
      return volume;
    });
    await diskSpace.claim('/large', () => 8 * GiB);
    await expect(diskSpace.claim('/broken', () => 1)).rejects.toThrow('this disk is broken');
    await diskSpace.claim('/small', () => GiB);
    await expect(diskSpace.claim('/small', () => GiB)).rejects.toMatchObject({
      code: 'DISK_FULL',
      details: { needed_bytes: 3 * GiB, free_bytes: 2.5 * GiB },
    });
    await expect(diskSpace.claim('/large', () => 2 * GiB)).rejects.toMatchObject({ details: { free_bytes: 10 * GiB } });
    expect(looked).toEqual(['/large', '/broken', '/small', '/small', '/large']);
  });

  test('is never claimed beyond what is free', async () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 40 }), sizes, async (free, wanted) => {
        const diskSpace = createDiskSpace(disk(() => free * GiB));
        const claims = await Promise.allSettled(wanted.map((size) => diskSpace.claim(FOLDER, () => size * GiB)));
        const promised = wanted.filter((_, index) => claims[index]?.status === 'fulfilled');
        expect(promised.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(free);
      }),
    );
  });
});

describe('a file system that does not tell its free space', () => {
  test.runIf(process.platform === 'linux').each(['/proc', '/sys'])(
    '[E5] is not full: %s has 0 of 0 blocks',
    async (folder) => {
      const { freeBytes } = await volumeOf(folder);
      expect(freeBytes).toBeNull();
      await expect(createDiskSpace(volumeOf).claim(folder, () => 500 * GiB)).resolves.toBeTypeOf('function');
    },
  );

  test('[E5] takes any claim, also beside others', async () => {
    const diskSpace = createDiskSpace(disk(() => null));
    await diskSpace.claim(FOLDER, () => 500 * GiB);
    await expect(diskSpace.claim(FOLDER, () => 500 * GiB)).resolves.toBeTypeOf('function');
  });

  test('[E5] is another than one with no space left', async () => {
    await expect(createDiskSpace(disk(() => 0)).claim(FOLDER, () => 1)).rejects.toMatchObject({ code: 'DISK_FULL' });
  });
});
