import { execFile } from 'node:child_process';
import { chmod, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorOfDisk } from '../src/disk/disk-error.ts';
import { transferFile } from '../src/index.ts';
import { createFixture, type Fixture } from './fixture.ts';

/** Disks that are full or refuse to be written. */
const run = promisify(execFile);
const isLinux = process.platform === 'linux';
const isRoot = process.getuid?.() === 0;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(8_000_000);
});
afterEach(() => fixture.close());

test.runIf(isLinux)('a full device ends immediately with DISK_FULL and its numbers', async () => {
  const { partialPath, server } = fixture;
  await symlink('/dev/full', partialPath);
  await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({
    code: 'DISK_FULL',
    message: expect.stringMatching(/8\.0 MB more needed, .* free/),
    details: { needed_bytes: 8_000_000, free_bytes: expect.any(Number) },
  });
  expect(server.requests).toHaveLength(1);
  await server.until(() => server.openSockets === 0);
});

describe.runIf(isLinux && isRoot)('a small file system', () => {
  let mount: string;
  beforeEach(async () => {
    mount = join(fixture.folder, 'small');
    await mkdir(mount);
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', mount]);
  });
  afterEach(() => run('umount', [mount]));
  const inMount = () => ({ partialPath: join(mount, 'blob.rbee-partial'), finalPath: join(mount, 'blob') });

  test('[E8] that fills up keeps the partial, which is resumed when there is space', async () => {
    const error = await transferFile(fixture.request(inMount()), fixture.options()).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: 'DISK_FULL', details: { needed_bytes: expect.any(Number) } });
    const { size: kept } = await stat(join(mount, 'blob.rbee-partial'));
    expect(kept).toBeGreaterThan(3_000_000);

    await run('mount', ['-o', 'remount,size=20m', mount]);
    const result = await transferFile(fixture.request(inMount()), fixture.options());
    expect(result.reused).toBe(kept);
    expect(result.reused + result.wasted).toBe(kept);
    expect((await stat(join(mount, 'blob'))).size).toBe(8_000_000);
  });

  test('[E6] that is read-only ends with STORE_NOT_WRITABLE', async () => {
    await run('mount', ['-o', 'remount,ro', mount]);
    await expect(transferFile(fixture.request(inMount()), fixture.options())).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
    });
    expect(fixture.server.requests).toEqual([]);
    await run('mount', ['-o', 'remount,rw', mount]);
  });
});

test('[E2] a folder that cannot be created ends with STORE_NOT_WRITABLE and no request', async () => {
  await writeFile(join(fixture.folder, 'file'), '');
  const partialPath = join(fixture.folder, 'file', 'blob.rbee-partial');
  await expect(transferFile(fixture.request({ partialPath }), fixture.options())).rejects.toMatchObject({
    code: 'STORE_NOT_WRITABLE',
    hint: expect.stringMatching(/permissions/),
  });
  expect(fixture.server.requests).toEqual([]);
});

test.skipIf(isRoot)('[E2] a folder without write permission ends with STORE_NOT_WRITABLE', async () => {
  await chmod(fixture.folder, 0o500);
  await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({
    code: 'STORE_NOT_WRITABLE',
  });
  await chmod(fixture.folder, 0o700);
});

test('[E2] a final name that cannot be taken keeps the verified partial', async () => {
  await mkdir(fixture.finalPath);
  await expect(transferFile(fixture.request(), fixture.options())).rejects.toMatchObject({
    code: 'STORE_NOT_WRITABLE',
  });
  expect(await fixture.names()).toContain('blob.rbee-partial');
});

describe('an error of the file system', () => {
  const withCode = (code: string) => Object.assign(new Error('x'), { code });
  test.each([
    ['ENOSPC', 'DISK_FULL'],
    ['EDQUOT', 'DISK_FULL'],
    ['EACCES', 'STORE_NOT_WRITABLE'],
    ['EROFS', 'STORE_NOT_WRITABLE'],
    ['EXDEV', 'STORE_NOT_WRITABLE'],
  ])('%s is %s', async (code, expected) => {
    expect(await errorOfDisk(withCode(code), '/tmp/x', null)).toMatchObject({ code: expected });
  });

  test('that is a bug stays as it is', async () => {
    const bug = withCode('EBADF');
    expect(await errorOfDisk(bug, '/tmp/x', null)).toBe(bug);
  });
});
