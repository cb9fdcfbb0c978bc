/*
 * Goal: a disk that loses writes and says so once never leads to a wrong file. Method: ext4 on a loop device whose backing
 * store is full for a moment. The kernel reports the failed write-back at the next sync of the file, marks the pages clean,
 * and answers the sync after that with success (PostgreSQL's "fsyncgate" of 2018). The hive stands still while its bytes
 * are lost, so that its own sync only hears of it. Failure shows, once the page cache is gone, as a journal that claims
 * other bytes than the disk has, or as a wrong file.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { generateBytes, startWebServer, type TempDir, tempDir, type WebServer } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { api, startDownload } from './support/api.ts';
import { type Daemon, startDaemon } from './support/fleet.ts';
import { jsonOf, readStream } from './support/sse.ts';

const MIB = 1024 * 1024;
const FILE = { size: 56 * MIB, seed: 17 };
const CONTENT = generateBytes(FILE);
const SAFE_BYTES = 24 * MIB;
/** Less than what starts a sync by itself. */
const LOST_BYTES = 12 * MIB;
/** For the file system's own blocks. */
const SPARE_BYTES = MIB;
const BYTES_PER_SECOND = 48 * MIB;
/** Fast enough to be over before the second is. */
const LOST_BYTES_PER_SECOND = 96 * MIB;
const WAIT = { timeout: 20_000, interval: 5 };

const run = promisify(execFile);
const canMount = process.getuid?.() === 0 && existsSync('/dev/loop-control');
if (!canMount) console.warn('SKIPPED: the test of a disk that loses writes needs root and loop devices');

/** An ext4 of 4 GiB, more than what a hive keeps in reserve, whose bytes lie in a tmpfs that can be too small for them. */
async function startLossyDisk(folder: string) {
  const [backing, mount] = [join(folder, 'backing'), join(folder, 'disk')];
  const image = join(backing, 'image');
  await mkdir(backing);
  await mkdir(mount);
  await run('mount', ['-t', 'tmpfs', '-o', 'size=1g', 'tmpfs', backing]);
  await run('truncate', ['-s', '4G', image]);
  // The file system's own blocks lie at the beginning and are given room now, so that only the bytes of files are lost.
  const extended = 'packed_meta_blocks=1,lazy_itable_init=0,lazy_journal_init=0,nodiscard';
  await run('mkfs.ext4', ['-q', '-F', '-N', '1024', '-J', 'size=8', '-E', extended, image]);
  await run('fallocate', ['--length', '16M', image]);
  const { stdout } = await run('losetup', ['--find', '--show', image]);
  const device = stdout.trim();
  await run('mount', [device, mount]);
  const limit = (bytes: number) => run('mount', ['-o', `remount,size=${bytes}`, backing]);
  return {
    mount,
    async fillUpAfter(bytes: number) {
      await run('sync', ['--file-system', mount]);
      await limit((await stat(image)).blocks * 512 + bytes);
    },
    grow: () => limit(1024 * MIB),
    /** Rejects if something could not be written. */
    writeBack: () => run('sync', ['--file-system', mount]),
    /** What was never written is gone after this. */
    async forgetCache() {
      await run('umount', [mount]);
      await run('mount', [device, mount]);
    },
    async close() {
      await run('umount', ['--lazy', mount]).catch(() => undefined);
      await run('losetup', ['--detach', device]).catch(() => undefined);
      await run('umount', ['--lazy', backing]);
    },
  };
}

describe.skipIf(!canMount)('a disk that loses writes', () => {
  let folder: TempDir;
  let disk: Awaited<ReturnType<typeof startLossyDisk>>;
  let web: WebServer;
  let hive: Daemon;

  beforeEach(async () => {
    folder = await tempDir();
    disk = await startLossyDisk(folder.path);
    web = await startWebServer();
    hive = await startHive();
  });
  afterEach(async () => {
    await hive.program.kill();
    await web.close();
    await disk.close();
    await folder.remove();
  });

  const startHive = () =>
    startDaemon('hive', [], {
      RBEE_HIVE_ID: 'lossy',
      RBEE_HIVE_MODELS_DIR: join(disk.mount, 'models'),
      RBEE_HIVE_STATE_DIR: join(folder.path, 'state'),
      RBEE_HIVE_ALLOWED_SOURCES: 'http',
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
      RBEE_HIVE_MAX_CONNECTIONS: '1',
    });

  const sent = () => web.requests.reduce((sum, { bytesSent }) => sum + bytesSent, 0);

  async function endOf(downloadId: string) {
    const events = await (await readStream(`${hive.url}/v2/downloads/${downloadId}/stream`)).toEnd();
    return { event: events.at(-1)?.event, data: jsonOf(events.at(-1)) };
  }

  async function filesEndingIn(end: string): Promise<string[]> {
    const entries = await readdir(disk.mount, { recursive: true, withFileTypes: true });
    return entries.filter(({ name }) => name.endsWith(end)).map(({ parentPath, name }) => join(parentPath, name));
  }

  async function claimsOf(end: string): Promise<[number, number][]> {
    const [path] = await filesEndingIn(end);
    return path === undefined
      ? []
      : (JSON.parse(await readFile(path, 'utf8')) as { ranges: [number, number][] }).ranges;
  }

  const lastClaim = async (end: string) => (await claimsOf(end)).at(-1)?.[1] ?? 0;

  /** The hive has been sent this much, and it is in its partial. */
  async function waitForBytes(bytes: number): Promise<void> {
    await vi.waitFor(async () => {
      const [path = ''] = await filesEndingIn('.rbee-partial');
      expect((await stat(path)).size).toBeGreaterThanOrEqual(bytes);
    }, WAIT);
  }

  /** What the journals claim, on the disk without its cache. */
  async function wrongClaims(): Promise<string[]> {
    const [partial = ''] = await filesEndingIn('.rbee-partial');
    const content = await readFile(partial);
    const wrong: string[] = [];
    for (const end of ['.rbee-journal', '.rbee-journal-live']) {
      for (const [from, to] of await claimsOf(end)) {
        const isRight = content.subarray(from, to).equals(CONTENT.subarray(from, to));
        if (!isRight) wrong.push(`${end} claims ${from} to ${to}`);
      }
    }
    return wrong;
  }

  it.each(['without a digest', 'with a digest'])(
    '[E1] leads to no false claim and no wrong file, %s',
    { timeout: 60_000 },
    async (kind) => {
      const url = web.put('/model.gguf', { content: FILE });
      const digest = kind === 'with a digest' ? `::sha256=${createHash('sha256').update(CONTENT).digest('hex')}` : '';
      web.throttle(BYTES_PER_SECOND);
      const { download_id } = await startDownload(hive.url, `${url}${digest}`);
      await web.waitFor(() => sent() > SAFE_BYTES, 'some of the file');
      web.throttle(0);
      // Everything so far is synced before the disk fails, so that the next sync is a second away from the next byte.
      let safe = 0;
      await vi.waitFor(async () => {
        safe = await lastClaim('.rbee-journal');
        expect(safe).toBeGreaterThan(SAFE_BYTES / 2);
        const [path = ''] = await filesEndingIn('.rbee-partial');
        expect((await stat(path)).size).toBe(safe);
      }, WAIT);
      await disk.fillUpAfter(SPARE_BYTES);

      const before = sent();
      web.throttle(LOST_BYTES_PER_SECOND);
      await web.waitFor(() => sent() >= before + LOST_BYTES, 'what the disk will lose');
      web.throttle(0);
      await waitForBytes(safe + LOST_BYTES / 2);
      process.kill(hive.program.pid, 'SIGSTOP');
      await expect(disk.writeBack()).rejects.toThrow(/Input\/output error|No space left/);
      await disk.grow();
      // What comes now lies behind what is lost, and is written.
      web.throttle(BYTES_PER_SECOND);
      process.kill(hive.program.pid, 'SIGCONT');

      const failed = await endOf(download_id);
      expect(failed).toMatchObject({
        event: 'error',
        data: { code: expect.stringMatching(/^(?:DISK_FULL|STORE_NOT_WRITABLE)$/) },
      });

      await hive.program.stop();
      await disk.forgetCache();
      expect(await wrongClaims()).toEqual([]);
      expect(await lastClaim('.rbee-journal')).toBeGreaterThanOrEqual(safe);

      hive = await startHive();
      web.throttle(null);
      const { body } = await api('POST', `${hive.url}/v2/downloads/${download_id}/retry`);
      const done = await endOf(String(body['download_id']));
      expect(done, JSON.stringify([failed, done])).toMatchObject({ event: 'complete' });
      // What was safe is not fetched again.
      expect(web.requests.at(-1)?.headers['range']).toMatch(/^bytes=[1-9]/);

      await hive.program.stop();
      await disk.forgetCache();
      expect((await readFile(String(done.data['path']))).equals(CONTENT)).toBe(true);
    },
  );

  // No digest and no validator: nothing is ever claimed, so the only sync is that of the whole file before its name.
  it('[E1] leads to no wrong file if verify is the first to hear of it', { timeout: 60_000 }, async () => {
    const url = web.put('/model.gguf', { content: FILE, etag: null, lastModified: null });
    web.throttle(BYTES_PER_SECOND);
    const { download_id } = await startDownload(hive.url, url);
    await web.waitFor(() => sent() > SAFE_BYTES, 'some of the file');
    web.throttle(0);
    await waitForBytes(SAFE_BYTES - MIB);
    await disk.fillUpAfter(SPARE_BYTES);

    const before = sent();
    web.throttle(LOST_BYTES_PER_SECOND);
    await web.waitFor(() => sent() >= before + LOST_BYTES, 'what the disk will lose');
    web.throttle(0);
    await waitForBytes(SAFE_BYTES + LOST_BYTES / 2);
    process.kill(hive.program.pid, 'SIGSTOP');
    await expect(disk.writeBack()).rejects.toThrow(/Input\/output error|No space left/);
    await disk.grow();
    web.throttle(BYTES_PER_SECOND);
    process.kill(hive.program.pid, 'SIGCONT');

    const failed = await endOf(download_id);
    // Nothing that is left can be used.
    expect(failed).toMatchObject({
      event: 'error',
      data: { code: expect.stringMatching(/^(?:DISK_FULL|STORE_NOT_WRITABLE)$/), bytes: 0 },
    });
    const names = (await readdir(disk.mount, { recursive: true, withFileTypes: true })).filter((entry) =>
      entry.isFile(),
    );
    expect(names.map(({ name }) => name).filter((name) => /journal|^[0-9a-f]{40,}$|\.gguf$/.test(name))).toEqual([]);

    await hive.program.stop();
    await disk.forgetCache();
    hive = await startHive();
    web.throttle(null);
    const { body } = await api('POST', `${hive.url}/v2/downloads/${download_id}/retry`);
    const done = await endOf(String(body['download_id']));
    expect(done, JSON.stringify([failed, done])).toMatchObject({ event: 'complete', data: { bytes: FILE.size } });
    await hive.program.stop();
    await disk.forgetCache();
    expect((await readFile(String(done.data['path']))).equals(CONTENT)).toBe(true);
  });
});
