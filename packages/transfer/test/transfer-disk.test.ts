import { execFile } from 'node:child_process';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorOfDisk } from '../src/disk/disk-error.ts';
import { transferFile } from '../src/index.ts';
import { createFixture, type Fixture } from './fixture.ts';

/** Disks that are full or refuse to be written. */
const run = promisify(execFile);
const child = fileURLToPath(new URL('./partial/crash-child.ts', import.meta.url));
const isLinux = process.platform === 'linux';
const isRoot = process.getuid?.() === 0;

let fixture: Fixture;
beforeEach(async () => {
  fixture = await createFixture(8_000_000);
});
afterEach(() => fixture.close());

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
    expect(error).toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/ more needed, .* free/),
      details: { needed_bytes: expect.any(Number), free_bytes: expect.any(Number) },
    });
    const { server } = fixture;
    expect(server.requests).toHaveLength(1);
    await server.until(() => server.openSockets === 0);
    const { size: kept } = await stat(join(mount, 'blob.rbee-partial'));
    expect(kept).toBeGreaterThan(3_000_000);

    await run('mount', ['-o', 'remount,size=20m', mount]);
    const result = await transferFile(fixture.request(inMount()), fixture.options());
    expect(result.reused).toBe(kept);
    expect(result.reused + result.wasted).toBe(kept);
    expect((await stat(join(mount, 'blob'))).size).toBe(8_000_000);
  });

  test('[E5] without a free inode says so, and not how many bytes are free', async () => {
    await run('mount', ['-o', 'remount,nr_inodes=1', mount]);
    await expect(transferFile(fixture.request(inMount()), fixture.options())).rejects.toMatchObject({
      code: 'DISK_FULL',
      message: expect.stringMatching(/no inode is free/),
      hint: expect.stringMatching(/small files/),
    });
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
    hint: expect.stringMatching(/move it away/),
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

test.runIf(isLinux)('[E5] a file that is too large for the file system fails with that reason (EFBIG)', async () => {
  const { partialPath, finalPath, size, sha256 } = fixture.request();
  const url = `${fixture.server.url}/model.bin`;
  const args = ['--conditions=@rbee/source', child, url, partialPath, finalPath, String(size), String(sha256)];
  // The shell's limit, in KiB, does what a file system with a limit does.
  const limited = run('bash', ['-c', 'ulimit -f 4096; exec "$0" "$@"', process.execPath, ...args]);
  await expect(limited).rejects.toMatchObject({
    stderr: expect.stringMatching(/the file system of \S+ cannot hold a file that large \(EFBIG\)/),
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
    ['EFBIG', 'STORE_NOT_WRITABLE'],
  ])('%s is %s', async (code, expected) => {
    expect(await errorOfDisk(withCode(code), '/tmp/x', null)).toMatchObject({ code: expected });
  });

  test('[E5] EFBIG has a hint about the file system, not about permissions', async () => {
    expect(await errorOfDisk(withCode('EFBIG'), '/tmp/x', null)).toMatchObject({
      hint: expect.stringMatching(/FAT32.*ulimit/),
    });
  });

  test('that is a bug stays as it is', async () => {
    const bug = withCode('EBADF');
    expect(await errorOfDisk(bug, '/tmp/x', null)).toBe(bug);
  });
});
