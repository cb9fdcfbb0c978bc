import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type DoctorCheck, EXIT_CODES, HIVE_CHECKS } from '@rbee/contract';
import { createWatch, generateBytes, type Program, startHub, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runKeeper, startKeeper } from './support/keeper.ts';
import { realFleetEnv } from './support/real-fleet.ts';

/** These tests run the built daemons, started by the keeper as for its users. */
const REF = 'hf:org/repo::file=model.gguf';
const SIZE = 300_000;
const SEED = 11;
/** Several programs start one after the other: on a busy machine each takes seconds. */
const START = { timeoutMs: 60_000 } as const;
vi.setConfig({ testTimeout: 2 * START.timeoutMs });
const DEFAULT_QUEEN = 'http://127.0.0.1:7833/health';

/** With a queen on the default port the keeper starts none of its own. */
const isQueenHere = await fetch(DEFAULT_QUEEN).then(
  () => true,
  () => false,
);

let hub: TestHub;
let folder: TempDir;
let keeper: Program;
beforeEach(async () => {
  hub = await startHub();
  hub.addRepo({ id: 'org/repo', files: { 'model.gguf': { size: SIZE, seed: SEED } } });
  folder = await tempDir();
  await mkdir(join(folder.path, 'tmp'));
});
afterEach(async () => {
  await keeper.kill();
  await hub.close();
  await folder.remove();
});

async function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<void> {
  keeper = await startKeeper(words, { env: { ...realFleetEnv(hub, folder), ...env } });
}

/** Starts a download that gets no bytes, and returns the daemons' process ids once it is downloading. */
async function startHeldDownload(): Promise<readonly number[]> {
  hub.throttle(0);
  await start(['pull', REF]);
  await keeper.waitFor(() => keeper.stderr().includes('model.gguf: downloading'), 'the download', START);
  const daemons = childrenOf(keeper.pid);
  expect(daemons).toHaveLength(2);
  return daemons;
}

function childrenOf(parent: number): number[] {
  const rows = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  return rows
    .map((row) => row.trim().split(/\s+/))
    .filter(([, ppid, ...args]) => Number(ppid) === parent && args.some((arg) => /rbee-(?:hive|queen)/.test(arg)))
    .map(([pid]) => Number(pid));
}

async function expectGone(pids: readonly number[]): Promise<void> {
  const isRunning = (pid: number) => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const watch = createWatch(() => `running: ${pids.filter(isRunning).join(' ')}`);
  await watch.waitFor(() => !pids.some(isRunning), 'the daemons to be gone', START);
}

const temporaryFolders = () => readdirSync(join(folder.path, 'tmp')).filter((name) => name.startsWith('rbee-'));

describe.skipIf(isQueenHere)('a download without a queen', () => {
  it('starts a temporary queen and hive, prints the path of the right file, and leaves nothing behind', async () => {
    await start(['pull', REF]);
    const { code } = await keeper.exited;
    expect(keeper.stderr()).toContain(
      `no queen is running: started a temporary queen and hive (models in ${folder.path}/models)\n`,
    );
    expect(code).toBe(EXIT_CODES.done);
    const path = keeper.stdout().trimEnd();
    expect(await readFile(path)).toEqual(generateBytes({ size: SIZE, seed: SEED }));
    expect(childrenOf(keeper.pid)).toEqual([]);
    expect(temporaryFolders()).toEqual([]);
  });

  it('is cancelled by Ctrl+C, and nothing is left running', async () => {
    const daemons = await startHeldDownload();
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.interrupted);
    expect(keeper.stderr()).toContain('model.gguf: cancelled');
    await expectGone(daemons);
    expect(temporaryFolders()).toEqual([]);
  });

  it('[F4] leaves nothing running if the keeper exits immediately or is killed', async () => {
    const daemons = await startHeldDownload();
    await keeper.stop('SIGHUP');
    await expectGone(daemons);
    const others = await startHeldDownload();
    await keeper.kill();
    await expectGone(others);
    expect(temporaryFolders()).toEqual([]);
  });

  it('fails if the hive exits, and stops the queen', async () => {
    const daemons = await startHeldDownload();
    const hive = daemons.find((pid) => commandOf(pid).includes('rbee-hive'));
    process.kill(hive ?? 0, 'SIGKILL');
    expect((await keeper.exited).code).toBe(EXIT_CODES.failed);
    expect(keeper.stderr()).toContain('error: the hive exited unexpectedly (SIGKILL)');
    await expectGone(daemons);
  });
});

describe.skipIf(isQueenHere)('a doctor without a queen', () => {
  it('checks this machine with a temporary queen and hive, and leaves nothing behind', async () => {
    hub.addRepo({ id: 'openai-community/gpt2', files: { 'model.safetensors': { size: 6_000_000, seed: SEED } } });
    await start(['doctor', '--json']);
    const { code } = await keeper.exited;
    expect(keeper.stderr()).toContain(`started a temporary queen and hive (models in ${folder.path}/models)\n`);
    const { keeper: own, hives } = JSON.parse(keeper.stdout());
    expect(own.checks.map(({ check, status }: DoctorCheck) => [check, status])).toEqual([
      ['queen', 'ok'],
      ['clock', 'ok'],
      ['token', 'ok'],
      ['versions', 'ok'],
      ['hives', 'ok'],
    ]);
    expect(hives).toMatchObject([{ hive_id: 'local', checks: HIVE_CHECKS.map((check) => ({ check })) }]);
    const failed = hives[0].checks.filter(({ status }: DoctorCheck) => status === 'failed');
    expect(code, JSON.stringify(failed)).toBe(failed.length === 0 ? EXIT_CODES.done : EXIT_CODES.failed);
    expect(childrenOf(keeper.pid)).toEqual([]);
    expect(temporaryFolders()).toEqual([]);
  });

  it('knows only its own hive', async () => {
    await start(['doctor', '--hive', 'gpu-1']);
    expect((await keeper.exited).code).toBe(EXIT_CODES.failed);
    expect(keeper.stderr()).toContain('there is no hive gpu-1');
  });
});

describe('up', () => {
  it('prints the addresses, runs until Ctrl+C, exits with 0, and leaves nothing running', async () => {
    await start(['up', '--queen-port', '0', '--hive-port', '0']);
    await keeper.waitForLine(({ text }) => text.startsWith('Press Ctrl+C'), 'the addresses', START);
    const queen = /^queen +(http:\S+)$/m.exec(keeper.stdout())?.[1] ?? '';
    expect(keeper.stdout()).toContain(`models   ${folder.path}/models\n`);
    const daemons = childrenOf(keeper.pid);
    const { code, stdout } = await runKeeper(['pull', REF], { queen: { url: queen } });
    expect(code).toBe(EXIT_CODES.done);
    expect(await readFile(stdout.trimEnd())).toEqual(generateBytes({ size: SIZE, seed: SEED }));
    expect(await keeper.stop('SIGINT')).toBe(EXIT_CODES.done);
    await expectGone(daemons);
  });

  it.each(['SIGKILL', 'SIGHUP'] as const)('[F4] leaves nothing running when it gets %s', async (signal) => {
    await start(['up', '--queen-port', '0', '--hive-port', '0']);
    await keeper.waitForLine(({ text }) => text.startsWith('Press Ctrl+C'), 'the addresses', START);
    const daemons = childrenOf(keeper.pid);
    expect(daemons).toHaveLength(2);
    process.kill(keeper.pid, signal);
    await keeper.exited;
    await expectGone(daemons);
  });

  it('exits with 1 and the reason if the hive cannot start, and stops the queen', async () => {
    await start(['up', '--queen-port', '0', '--hive-port', '0']);
    await keeper.waitForLine(({ text }) => text.startsWith('Press Ctrl+C'), 'the addresses', START);
    const first = keeper;
    // The queen has its own state, so that the hives conflict over the store only.
    await start(['up', '--queen-port', '0', '--hive-port', '0', '--json'], {
      RBEE_QUEEN_STATE_DIR: `${folder.path}/other-queen`,
    });
    const { code } = await keeper.exited;
    await first.stop('SIGTERM');
    expect(code).toBe(EXIT_CODES.failed);
    expect(keeper.lines[0]?.json?.error).toMatchObject({ code: 'DAEMON_FAILED' });
    expect(keeper.stderr()).toContain('owns this store');
  });
});

function commandOf(pid: number): string {
  return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' });
}
