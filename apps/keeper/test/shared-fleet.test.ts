import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EXIT_CODES } from '@rbee/contract';
import {
  generateBytes,
  type Program,
  startHub,
  startProgram,
  type TempDir,
  type TestHub,
  tempDir,
} from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { daemonsOf, untilNoDaemons } from './support/daemons-of.ts';
import { startKeeper } from './support/keeper.ts';
import { realFleetEnv } from './support/real-fleet.ts';

// Goal: commands at the same time without a queen share one temporary queen and hive, or use the hive that owns the store,
// and the last one leaves nothing running. Method: real keepers and the built daemons; the hub holds the bodies, so that
// each command lasts until the test is done with it.

const SIZE = 300_000;
const START = { timeoutMs: 90_000 } as const;
vi.setConfig({ testTimeout: 3 * START.timeoutMs });
const ref = (name: string) => `hf:org/repo::file=${name}.gguf`;
const isQueenHere = await fetch('http://127.0.0.1:7833/health').then(
  () => true,
  () => false,
);
const isUsable = process.platform === 'linux' && !isQueenHere;

let hub: TestHub;
let folder: TempDir;
let programs: Program[];
beforeEach(async () => {
  hub = await startHub();
  const files = Object.fromEntries(['a', 'b', 'c'].map((name, seed) => [`${name}.gguf`, { size: SIZE, seed }]));
  hub.addRepo({ id: 'org/repo', files });
  folder = await tempDir();
  await mkdir(join(folder.path, 'tmp'));
  programs = [];
});
afterEach(async () => {
  for (const program of programs) await program.kill();
  await untilNoDaemons(folder, START);
  await hub.close();
  await folder.remove();
});

async function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Program> {
  const program = await startKeeper(words, { env: { ...realFleetEnv(hub, folder), ...env } });
  programs.push(program);
  return program;
}

async function startDaemon(name: 'hive' | 'queen', env: Readonly<Record<string, string>> = {}) {
  const program = await startProgram({
    command: process.execPath,
    args: [createRequire(import.meta.url).resolve(`rbee-${name}/bin`)],
    env: { ...realFleetEnv(hub, folder), [`RBEE_${name.toUpperCase()}_PORT`]: '0', ...env },
  });
  programs.push(program);
  const line = await program.waitForLine(({ json }) => json?.msg === 'listening', 'a listening daemon', START);
  return { program, url: String(line.json?.url) };
}

const isDownloading = (keeper: Program, name: string) =>
  keeper.waitFor(() => keeper.stderr().includes(`${name}.gguf: downloading`), `${name} to be downloading`, START);

async function expectDone(keeper: Program, seed: number): Promise<void> {
  expect((await keeper.exited).code, keeper.stderr()).toBe(EXIT_CODES.done);
  expect(await readFile(keeper.stdout().trimEnd())).toEqual(generateBytes({ size: SIZE, seed }));
}

const temporaryFolders = () => readdirSync(join(folder.path, 'tmp')).filter((name) => name.startsWith('rbee-'));

/** Two commands on one fleet, both in the middle of their download. */
async function startTwo(): Promise<readonly [Program, Program]> {
  hub.throttle(0);
  const first = await start(['pull', ref('a')]);
  await isDownloading(first, 'a');
  const second = await start(['pull', ref('b')]);
  await isDownloading(second, 'b');
  expect(second.stderr()).toContain('using the hive that runs already');
  expect(daemonsOf(folder)).toHaveLength(2);
  return [first, second];
}

describe.skipIf(!isUsable)('commands at the same time without a queen', () => {
  it('[F5] a second one uses the fleet of the first, and neither leaves anything behind', async () => {
    const [first, second] = await startTwo();
    hub.throttle(null);
    await expectDone(first, 0);
    await expectDone(second, 1);
    await untilNoDaemons(folder, START);
    expect(temporaryFolders()).toEqual([]);
  });

  it('[F5] the first ends first: its fleet stays until the second has ended', async () => {
    const [first, second] = await startTwo();
    await first.stop('SIGINT', START);
    expect(daemonsOf(folder)).toHaveLength(2);
    hub.throttle(null);
    await expectDone(second, 1);
    await untilNoDaemons(folder, START);
    expect(temporaryFolders()).toEqual([]);
  });

  it('[F5] the second ends first: the first continues', async () => {
    const [first, second] = await startTwo();
    expect(await second.stop('SIGINT', START)).toBe(EXIT_CODES.interrupted);
    expect(daemonsOf(folder)).toHaveLength(2);
    hub.throttle(null);
    await expectDone(first, 0);
    expect(temporaryFolders()).toEqual([]);
  });

  it.each(['SIGKILL', 'SIGHUP', 'SIGTERM'] as const)(
    '[F5] the first gets %s: the second completes on its fleet',
    async (signal) => {
      const [first, second] = await startTwo();
      process.kill(first.pid, signal);
      await first.exited;
      hub.throttle(null);
      await expectDone(second, 1);
      await untilNoDaemons(folder, START);
    },
  );

  it.each(['SIGKILL', 'SIGHUP'] as const)('[F5] the second gets %s: the first completes', async (signal) => {
    const [first, second] = await startTwo();
    process.kill(second.pid, signal);
    await second.exited;
    hub.throttle(null);
    await expectDone(first, 0);
    await untilNoDaemons(folder, START);
  });

  it('[F5] both are killed: nothing is left running', async () => {
    const [first, second] = await startTwo();
    process.kill(first.pid, 'SIGKILL');
    process.kill(second.pid, 'SIGKILL');
    await untilNoDaemons(folder, START);
  });

  it('[F5] the hive of a shared fleet dies: both say so', async () => {
    const [first, second] = await startTwo();
    for (const pid of daemonsOf(folder)) process.kill(pid, 'SIGKILL');
    expect((await first.exited).code).toBe(EXIT_CODES.failed);
    expect((await second.exited).code).toBe(EXIT_CODES.failed);
    expect(second.stderr()).toContain('exited unexpectedly');
  });

  it('[F5] xargs -P: all of three started at the same moment complete', async () => {
    const run = promisify(execFile);
    const keeper = createRequire(import.meta.url).resolve('rbee-keeper/bin');
    const env = { ...process.env, ...realFleetEnv(hub, folder) };
    const refs = ['a', 'b', 'c'].map(ref);
    const command = `printf '%s\\n' ${refs.join(' ')} | xargs -P3 -n1 ${process.execPath} ${keeper} model download`;
    const { stdout } = await run('sh', ['-c', command], { env });
    expect(stdout.trimEnd().split('\n')).toHaveLength(3);
    await untilNoDaemons(folder, START);
    expect(temporaryFolders()).toEqual([]);
  });
});

describe.skipIf(!isUsable)('a command without a queen, where a hive owns the store', () => {
  it('[F5] a standalone hive is used, with a queen of the command, and stays', async () => {
    const hive = await startDaemon('hive');
    const keeper = await start(['pull', ref('a')]);
    await expectDone(keeper, 0);
    expect(keeper.stderr()).toContain('using the hive that runs already');
    expect(daemonsOf(folder)).toEqual([hive.program.pid]);
    await hive.program.stop();
  });

  it('[F5] a hive with a token is used by a command that has the token', async () => {
    const token = 'a-token-of-16-characters';
    await startDaemon('hive', { RBEE_API_TOKEN: token });
    await expectDone(await start(['pull', ref('a')], { RBEE_API_TOKEN: token }), 0);
    const without = await start(['pull', ref('b')]);
    expect((await without.exited).code).toBe(EXIT_CODES.failed);
    expect(without.stderr()).toContain('RBEE_API_TOKEN');
  });

  it('[F5] the queen of a hive is used, wherever it listens', async () => {
    const queen = await startDaemon('queen');
    const hive = await startDaemon('hive', { RBEE_HIVE_QUEEN_URL: queen.url });
    await expectDone(await start(['pull', ref('a')]), 0);
    expect(daemonsOf(folder).sort()).toEqual([queen.program.pid, hive.program.pid].sort());
    const { downloads } = (await (await fetch(`${queen.url}/v1/downloads`)).json()) as { downloads: unknown[] };
    expect(downloads).toHaveLength(1);
  });

  it('[F5] a hive that is killed leaves an address that nobody follows', async () => {
    const hive = await startDaemon('hive');
    await hive.program.kill();
    const keeper = await start(['pull', ref('a')]);
    await expectDone(keeper, 0);
    expect(keeper.stderr()).toContain('started a temporary queen and hive');
  });
});

describe.skipIf(!isUsable)('a command that ends while its queen and hive start', () => {
  const moments: readonly (readonly [string, (keeper: Program) => boolean])[] = [
    ['at once', () => true],
    ['when the queen is there', () => daemonsOf(folder).length >= 1],
    ['when the hive is there', () => daemonsOf(folder).length >= 2],
    ['when both are ready', (keeper) => keeper.stderr().includes('started a temporary')],
    ['when it downloads', (keeper) => keeper.stderr().includes('a.gguf: downloading')],
  ];
  const signals = ['SIGKILL', 'SIGHUP', 'SIGTERM'] as const;

  it.each(signals.flatMap((signal) => moments.map(([when, is]) => [signal, when, is] as const)))(
    '[F4] with %s, %s: nothing is left running',
    async (signal, _, isTime) => {
      hub.throttle(0);
      const keeper = await start(['pull', ref('a')]);
      await keeper.waitFor(() => isTime(keeper), 'the moment', START);
      process.kill(keeper.pid, signal);
      await keeper.exited;
      await untilNoDaemons(folder, START);
    },
  );
});

describe('a daemon whose command is gone', () => {
  it.each([
    ['hive', 'before it runs'],
    ['queen', 'before it runs'],
    ['hive', 'when it listens'],
    ['queen', 'when it listens'],
  ] as const)('[F4] %s: it ends (the channel closes %s)', async (name, when) => {
    // A shell with the same channel becomes the daemon on a line of input.
    const bin = createRequire(import.meta.url).resolve(`rbee-${name}/bin`);
    const child = spawn('sh', ['-c', 'read -r _; exec "$0" "$1"', process.execPath, bin], {
      env: { ...process.env, ...realFleetEnv(hub, folder), [`RBEE_${name.toUpperCase()}_PORT`]: '0' },
      stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
    });
    const ended = once(child, 'exit');
    let output = '';
    child.stdout?.on('data', (data) => {
      output += String(data);
      if (output.includes('listening') && child.connected) child.disconnect();
    });
    if (when === 'before it runs') {
      const closed = once(child, 'disconnect');
      child.disconnect();
      await closed;
    }
    child.stdin?.end('\n');
    await ended;
    expect(output.includes('listening')).toBe(when === 'when it listens');
  });
});
