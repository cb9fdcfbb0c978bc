import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Program, startProgram, type TempDir, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BIN, startDaemon } from './support/fleet.ts';

// Goal: a hive whose state folder cannot be used says so and starts nothing. Method: the built hive over real mounts, which only root can
// make. Failure shows as a hive that listens, another exit code, or a message that does not name the folder.

const run = promisify(execFile);
let folder: TempDir;
const mounts: string[] = [];
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(async () => {
  for (const mount of mounts.splice(0).toReversed()) await run('umount', ['--lazy', mount]);
  await folder.remove();
});

const envOf = (state: string) => ({
  HOME: folder.path,
  RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
  RBEE_HIVE_STATE_DIR: state,
  RBEE_HIVE_PORT: '0',
});

async function startOver(state: string): Promise<{ code: number | null; stderr: string; stdout: string }> {
  const program: Program = await startProgram({ command: process.execPath, args: [BIN.hive], env: envOf(state) });
  try {
    const { code } = await program.exited;
    return { code, stderr: program.stderr(), stdout: program.stdout() };
  } finally {
    await program.kill();
  }
}

async function mounted(options: string): Promise<string> {
  const path = join(folder.path, 'mount');
  await mkdir(path);
  await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]);
  mounts.push(path);
  return path;
}

/** A folder in which a hive has left its history. */
async function used(path: string): Promise<string> {
  const hive = await startDaemon('hive', [], envOf(path));
  await hive.program.stop();
  return path;
}

describe.skipIf(process.getuid?.() !== 0)('a state folder that cannot be used', () => {
  it.each<[string, () => Promise<string>]>([
    ['on a read-only disk', () => mounted('ro')],
    [
      'on a disk that became read-only, with a history in it',
      async () => {
        const path = await used(await mounted('rw'));
        await run('mount', ['-o', 'remount,ro', path]);
        return path;
      },
    ],
    ['below a folder of a read-only disk', async () => join(await mounted('ro'), 'hive')],
    [
      'on a full disk',
      async () => {
        const path = await mounted('size=64k');
        await writeFile(join(path, 'full'), Buffer.alloc(64 * 1024));
        return path;
      },
    ],
    [
      'that is a file',
      async () => {
        const path = join(folder.path, 'file');
        await writeFile(path, '');
        return path;
      },
    ],
    [
      'below a file',
      async () => {
        await writeFile(join(folder.path, 'file'), '');
        return join(folder.path, 'file', 'hive');
      },
    ],
  ])('[F2] %s ends the start with code 1 and a hint', async (_, make) => {
    const path = await make();
    const { code, stderr, stdout } = await startOver(path);
    expect(code).toBe(1);
    expect(stderr).toContain(`cannot use the state folder ${path}`);
    expect(stderr).toMatch(/make the folder writable, free disk space, or set another state folder/);
    expect(stdout).not.toContain('"listening"');
    // The store is free for the next one.
    const next = await startDaemon('hive', [], envOf(join(folder.path, 'another')));
    await next.program.stop();
  });
});
