import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  downloadIdSchema,
  hiveIdSchema,
  jobIdSchema,
  modelIdOf,
  modelIdSchema,
  newDownloadId,
  newJobId,
} from '../src/index.ts';

const MAX_UUID_MS = 2 ** 48 - 1;

describe('job ids', () => {
  it('are "job-" and a UUIDv4, each its own', () => {
    const ids = Array.from({ length: 1_000 }, newJobId);
    for (const id of ids) expect(jobIdSchema.parse(id)).toBe(id);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each([
    '',
    'job-',
    'job-0b7f7e0c-5a0e-1c39-9b1e-0a6de0e7a1b2',
    'job-0b7f7e0c-5a0e-4c39-7b1e-0a6de0e7a1b2',
    'JOB-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2',
    'job-0B7F7E0C-5A0E-4C39-9B1E-0A6DE0E7A1B2',
    'job-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2\n',
    'dl-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2',
    '../job-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2',
  ])('refuse %j', (text) => {
    expect(jobIdSchema.safeParse(text).success).toBe(false);
  });
});

describe('download ids', () => {
  it('are "dl-" and a UUIDv7 that begins with the time they were made', () => {
    expect(newDownloadId(0x0197_1234_5678)).toMatch(/^dl-01971234-5678-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('take the machine’s clock where no time is given', () => {
    const before = newDownloadId(Date.now() - 1);
    const id = newDownloadId();
    const after = newDownloadId(Date.now() + 1);
    expect([after, id, before].sort()).toEqual([before, id, after]);
  });

  it('have their shape at every time, and sort by it', () => {
    const time = fc.integer({ min: 0, max: MAX_UUID_MS });
    fc.assert(
      fc.property(time, time, (one, other) => {
        const [first, second] = [newDownloadId(one), newDownloadId(other)];
        expect(downloadIdSchema.parse(first)).toBe(first);
        if (one !== other) expect(first < second).toBe(one < other);
      }),
    );
  });

  it('are unique within a millisecond', () => {
    const ids = Array.from({ length: 10_000 }, () => newDownloadId(1_750_000_000_000));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(['dl-', 'dl-0b7f7e0c-5a0e-4c39-9b1e-0a6de0e7a1b2', 'job-0197f7e0-5a0e-7c39-9b1e-0a6de0e7a1b2', 'dl-*'])(
    'refuse %j',
    (text) => {
      expect(downloadIdSchema.safeParse(text).success).toBe(false);
    },
  );
});

describe('model ids', () => {
  // Vectors from sha256sum(1).
  it.each([
    ['hf:org/repo@0123456789abcdef0123456789abcdef01234567::file=model.gguf', 'm-c6f77fc85060'],
    ['', 'm-e3b0c44298fc'],
    ['hf:org/repo@0123456789abcdef0123456789abcdef01234567::file=é.gguf', 'm-85eaeb9f4849'],
  ])('of %j is %s', (ref, id) => {
    expect(modelIdOf(ref)).toBe(id);
    expect(modelIdSchema.parse(id)).toBe(id);
  });

  it.each(['m-', 'm-e3b0c44298f', 'm-e3b0c44298fc1', 'm-E3B0C44298FC', 'M-e3b0c44298fc', 'm-e3b0c44298fg'])(
    'refuse %j',
    (text) => {
      expect(modelIdSchema.safeParse(text).success).toBe(false);
    },
  );
});

describe('hive ids', () => {
  it.each(['a', 'gpu-1', 'Box_2.local', '9', 'a'.repeat(64)])('take %s', (text) => {
    expect(hiveIdSchema.parse(text)).toBe(text);
  });

  it.each(['', '*', '.a', 'a.', '-a', 'a-', 'a b', 'a/b', 'é', 'a\n', 'a'.repeat(65)])('refuse %j', (text) => {
    expect(hiveIdSchema.safeParse(text).success).toBe(false);
  });
});
