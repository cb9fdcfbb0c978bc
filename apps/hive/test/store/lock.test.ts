import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLayout, type Layout } from '../../src/store/layout.ts';
import { lockStore } from '../../src/store/lock.ts';

// Goal: one hive owns a store, whatever happens to its files, and a dead one owns none. Method: real processes, some in a
// PID namespace of their own, where pids say nothing about each other.

const SOURCE = new URL('../../src/store/', import.meta.url).href;
const NOW_MS = Date.UTC(2026, 0, 2);

let folder: TempDir;
let layout: Layout;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await tempDir();
  layout = createLayout(join(folder.path, 'hub'));
  await mkdir(layout.modelsDir);
});
afterEach(async () => {
  for (const child of children.splice(0)) await kill(child);
  await folder.remove();
});

const lock = () => lockStore(layout, NOW_MS);

/** A process that takes the lock, says `owns` or its error, and stays. */
async function start(command: readonly string[] = [], env: Record<string, string> = {}) {
  const script = `
    const { createLayout } = await import(${JSON.stringify(`${SOURCE}layout.ts`)});
    const { lockStore } = await import(${JSON.stringify(`${SOURCE}lock.ts`)});
    const layout = createLayout(${JSON.stringify(layout.modelsDir)});
    globalThis.kept = await lockStore(layout, 0).catch((error) => error);
    process.stdout.write(globalThis.kept.release ? 'owns' : globalThis.kept.code + ' ' + globalThis.kept.message);
    setInterval(() => {}, 1000);`;
  const node = [process.execPath, '--conditions=@rbee/source', '--input-type=module', '-e', script];
  const [program = '', ...args] = [...command, ...node];
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: said.toString() };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}

function canUnshare(): boolean {
  try {
    execFileSync('unshare', ['-pf', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const IN_NAMESPACE = ['unshare', '-pf', '--kill-child=KILL', '--mount-proc'];
/** A PATH without `flock`, as on systems that have no such command. */
const NO_FLOCK = { PATH: '/nonexistent' };

describe("a store's lock", () => {
  it('says who holds it, and is free after its release', async () => {
    const held = await lock();
    const owner = JSON.parse(await readFile(layout.lockFile(), 'utf8'));
    expect(owner).toEqual({ pid: process.pid, host: hostname(), started: '2026-01-02T00:00:00.000Z' });
    await held.release();
    expect(await readdir(layout.locksFolder())).not.toContain('rbee-hive.lock');
    await (await lock()).release();
  });

  it('[F1] of a running hive is refused, with its pid', async () => {
    const { child } = await start();
    await expect(lock()).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      message: expect.stringContaining(`pid ${child.pid}`),
    });
  });

  it('[F1] is free as soon as its hive is killed, and goes to exactly one of many that start after it', async () => {
    const first = await start();
    expect(first.said).toBe('owns');
    await kill(first.child);
    const next = await Promise.all([start(), start(), start()]);
    expect(next.map(({ said }) => said.split(' ')[0]).sort()).toEqual([
      'STORE_NOT_WRITABLE',
      'STORE_NOT_WRITABLE',
      'owns',
    ]);
  });

  it('[F1] is refused within one process too', async () => {
    const held = await lock();
    await expect(lock()).rejects.toThrow(/another hive/);
    await held.release();
  });

  it.each([
    ['.locks is deleted', () => rm(layout.locksFolder(), { recursive: true })],
    ['the file with the pid is deleted', () => rm(layout.lockFile())],
    ['the database is deleted', () => rm(layout.lockDatabase())],
    ['the file with the pid is overwritten', () => writeFile(layout.lockFile(), '{"pid":1}')],
    ['the file with the pid is damaged', () => writeFile(layout.lockFile(), 'x')],
  ])('[F1] holds when %s', async (_, harm) => {
    expect((await start()).said).toBe('owns');
    await harm();
    await expect(lock()).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE', message: /another hive/ });
  });

  it('[F1] without flock is taken again when .locks was deleted', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = NO_FLOCK.PATH;
    const held = await lock().finally(() => {
      process.env['PATH'] = path;
    });
    await rm(layout.locksFolder(), { recursive: true });
    await Promise.all([held.assertHeld(), held.assertHeld()]);
    expect((await start([], NO_FLOCK)).said).toMatch(/^STORE_NOT_WRITABLE another hive \(pid \d+\)/);
    await held.release();
    expect((await start([], NO_FLOCK)).said).toBe('owns');
  });

  it('[F1] without flock is lost to a hive that started after .locks was deleted: only that one writes', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = NO_FLOCK.PATH;
    const held = await lock().finally(() => {
      process.env['PATH'] = path;
    });
    await held.assertHeld();
    await rm(layout.locksFolder(), { recursive: true });
    const second = await start([], NO_FLOCK);
    expect(second.said).toBe('owns');
    await expect(held.assertHeld()).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      message: expect.stringContaining(`pid ${second.child.pid}`),
    });
    await kill(second.child);
    await held.assertHeld();
    await held.release();
  });

  it.skipIf(process.platform !== 'linux')(
    '[F1] of a hive of an older version, a file with its pid, is seen',
    async () => {
      const older = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      children.push(older);
      await once(older, 'spawn');
      const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
      const ticks = (await readFile(`/proc/${older.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[19];
      await mkdir(layout.locksFolder());
      const write = (started: string) => writeFile(layout.lockFile(), JSON.stringify({ pid: older.pid, started }));
      await write(`${boot}/${ticks}`);
      await expect(lock()).rejects.toMatchObject({ message: expect.stringContaining(`pid ${older.pid}`) });
      // Another process has the pid now.
      await write(`${boot}/1`);
      await (await lock()).release();
      await write(`${boot}/${ticks}`);
      await kill(older);
      await (await lock()).release();
    },
  );

  it.each([
    ['{"pid":1,"started":null}', 'of an older version'],
    ['{"pid":', 'that is not JSON'],
    ['', 'that is empty'],
  ])('is not held by a file %j %s', async (content) => {
    await mkdir(layout.locksFolder());
    await writeFile(layout.lockFile(), content);
    await (await lock()).release();
  });

  it.skipIf(!canUnshare())('[F1] holds over PID namespaces, where both hives have the same pid', async () => {
    expect((await start(IN_NAMESPACE)).said).toBe('owns');
    const second = await start(IN_NAMESPACE);
    expect(second.said).toMatch(/^STORE_NOT_WRITABLE another hive/);
  });

  it.skipIf(!canUnshare())('[F1] is free when a hive in a namespace of its own is killed', async () => {
    const first = await start(IN_NAMESPACE);
    await kill(first.child);
    await expect.poll(async () => (await start()).said, { timeout: 30_000 }).toBe('owns');
  });

  it('[F1] holds without the command flock', async () => {
    expect((await start([], NO_FLOCK)).said).toBe('owns');
    expect((await start([], NO_FLOCK)).said).toMatch(/^STORE_NOT_WRITABLE another hive/);
  });

  it('[F1] holds between a hive with the command and one without', async () => {
    const first = await start([], NO_FLOCK);
    await expect(lock()).rejects.toThrow(/another hive/);
    await kill(first.child);
    await (await lock()).release();
  });

  it('[F1] that cannot be had for another reason says which', async () => {
    await mkdir(layout.locksFolder());
    await writeFile(layout.lockDatabase(), 'not a database '.repeat(100));
    const refused = lock();
    await expect(refused).rejects.toMatchObject({ code: 'STORE_NOT_WRITABLE', message: /cannot lock .*sqlite: / });
    await expect(refused).rejects.not.toThrow(/another hive/);
  });

  it('[E2] in a folder that cannot be created names it, with a hint', async () => {
    await writeFile(layout.locksFolder(), '');
    await expect(lock()).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      message: expect.stringContaining(layout.locksFolder()),
      hint: expect.stringMatching(/--models-dir/),
    });
  });

  it.skipIf(process.getuid?.() === 0)('[E2] in a folder that cannot be written names it', async () => {
    await mkdir(layout.locksFolder());
    await chmod(layout.locksFolder(), 0o500);
    await expect(lock()).rejects.toMatchObject({ message: expect.stringContaining(layout.locksFolder()) });
    await chmod(layout.locksFolder(), 0o700);
  });
});
