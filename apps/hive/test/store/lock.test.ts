import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockStore } from '../../src/store/lock.ts';
import { ownProcess } from '../../src/store/process-identity.ts';

let folder: TempDir;
let path: string;
beforeEach(async () => {
  folder = await tempDir();
  path = join(folder.path, '.locks', 'rbee-hive.lock');
  await mkdir(dirname(path));
});
afterEach(() => folder.remove());

describe("[F1] a store's lock", () => {
  it('holds the pid, and is removed on release', async () => {
    const lock = await lockStore(path);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(await ownProcess());
    await lock.release();
    expect(await readdir(dirname(path))).toEqual([]);
  });

  it('of a running process is refused, with its pid', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    await writeFile(path, JSON.stringify({ pid: child.pid }));
    await expect(lockStore(path)).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      message: expect.stringContaining(`pid ${child.pid}`),
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await lockStore(path)).release();
  });

  it.each([
    ['of a previous process with the same pid, as in a container,', JSON.stringify({ pid: process.pid })],
    ['that is not JSON', '{"pid":'],
    ['with an invalid pid', '{"pid":-1}'],
    ['that is empty', ''],
  ])('%s is taken over', async (_, content) => {
    await writeFile(path, content);
    const lock = await lockStore(path);
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(await ownProcess());
    await lock.release();
  });

  it.runIf(process.platform === 'linux')('of a pid that now belongs to another program is taken over', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    const { started } = await ownProcess();
    await writeFile(path, JSON.stringify({ pid: child.pid, started }));
    const lock = await lockStore(path);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
    child.kill('SIGKILL');
    await once(child, 'exit');
  });

  it('that another hive has taken over is not removed by its release', async () => {
    const lock = await lockStore(path);
    const other = JSON.stringify({ pid: 1, started: null });
    await writeFile(path, other);
    await lock.release();
    expect(await readFile(path, 'utf8')).toBe(other);
  });

  it('survives a crash of its hive and goes to exactly one of many that start after it', async () => {
    const lockModule = new URL('../../src/store/lock.ts', import.meta.url).href;
    const script = `
      const { lockStore } = await import(${JSON.stringify(lockModule)});
      await lockStore(${JSON.stringify(path)}).then(() => 'owns', (error) => error.code).then((said) => process.stdout.write(said));
      setInterval(() => {}, 1000);`;
    const start = async () => {
      const child = spawn(process.execPath, ['--conditions=@rbee/source', '--input-type=module', '-e', script], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [said] = (await once(child.stdout, 'data')) as [Buffer];
      return { child, said: said.toString() };
    };
    const kill = async ({ child }: Awaited<ReturnType<typeof start>>) => {
      child.kill('SIGKILL');
      await once(child, 'exit');
    };
    const first = await start();
    expect(first.said).toBe('owns');
    await kill(first);
    const next = await Promise.all([start(), start(), start()]);
    expect(next.map(({ said }) => said).sort()).toEqual(['STORE_NOT_WRITABLE', 'STORE_NOT_WRITABLE', 'owns']);
    for (const each of next) await kill(each);
  });

  it('in a folder that cannot be created fails with a hint', async () => {
    const file = join(folder.path, 'a-file');
    await writeFile(file, '');
    await expect(lockStore(join(file, '.locks', 'x.lock'))).rejects.toMatchObject({
      code: 'STORE_NOT_WRITABLE',
      hint: expect.stringMatching(/--models-dir/),
    });
  });
});
