import { link, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT_CODES } from '@rbee/contract';
import {
  generateBytes,
  type Program,
  startHub,
  startProgram,
  type TempDir,
  type TestHub,
  type TestTerminal,
  tempDir,
} from '@rbee/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openKeeper, runKeeper, startKeeper } from './support/keeper.ts';
import { realFleetEnv } from './support/real-fleet.ts';

// Goal: what is asked, shown and done around a download. Method: real keepers, a real queen with two real hives, and a hub.

const START = { timeoutMs: 90_000 } as const;
vi.setConfig({ testTimeout: 2 * START.timeoutMs, hookTimeout: 2 * START.timeoutMs });
const CTRL_C = '\u0003';
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));

let hub: TestHub;
let fleet: TempDir;
let folder: TempDir;
const daemons: Program[] = [];
let queen: { url: string };
const terminals: TestTerminal[] = [];

beforeAll(async () => {
  hub = await startHub();
  fleet = await tempDir();
  await mkdir(join(fleet.path, 'tmp'));
  queen = { url: await startDaemon('queen', {}) };
  for (const name of ['hive-a', 'hive-b']) {
    await startDaemon('hive', {
      RBEE_HIVE_ID: name,
      RBEE_HIVE_QUEEN_URL: queen.url,
      RBEE_HIVE_MODELS_DIR: join(fleet.path, name),
      RBEE_HIVE_STATE_DIR: join(fleet.path, `${name}-state`),
    });
  }
  await vi.waitUntil(async () => (await onlineHives()) === 2, { timeout: START.timeoutMs, interval: 100 });
  hub.addRepo({
    id: 'org/model',
    files: {
      'model-Q4_K_M.gguf': { size: 40_000, seed: 1 },
      'model-Q8_0-00001-of-00002.gguf': { size: 50_000, seed: 2 },
      'model-Q8_0-00002-of-00002.gguf': { size: 30_000, seed: 3 },
    },
    facts: { downloads: 1_234_567, gguf: { total: 64_000_000 } },
  });
  hub.addRepo({ id: 'org/one', files: { 'sub/one-Q4_0.gguf': { size: 7_000, seed: 4 } } });
});
afterAll(async () => {
  for (const daemon of daemons) await daemon.kill();
  await hub.close();
  await fleet.remove();
});
beforeEach(async () => {
  folder = await tempDir();
});
afterEach(async () => {
  for (const terminal of terminals.splice(0)) await terminal.kill();
  await folder.remove();
});

async function startDaemon(name: 'hive' | 'queen', env: Readonly<Record<string, string>>): Promise<string> {
  const program = await startProgram({
    command: process.execPath,
    args: [createRequire(import.meta.url).resolve(`rbee-${name}/bin`)],
    env: {
      ...realFleetEnv(hub, fleet),
      RBEE_QUEEN_STATE_DIR: join(fleet.path, 'queen'),
      [`RBEE_${name.toUpperCase()}_PORT`]: '0',
      ...env,
    },
  });
  daemons.push(program);
  const line = await program.waitForLine(({ json }) => json?.msg === 'listening', 'a listening daemon', START);
  return String(line.json?.url);
}

async function onlineHives(): Promise<number> {
  const { hives } = (await (await fetch(`${queen.url}/v1/hives`)).json()) as { hives: { online: boolean }[] };
  return hives.filter(({ online }) => online).length;
}

const keeper = (...words: string[]) => runKeeper(words, { queen });
const inFolder = (...names: string[]) => join(folder.path, ...names);

function open(words: readonly string[], cols = 110): TestTerminal {
  const terminal = openKeeper(words, { queen, cols });
  terminals.push(terminal);
  return terminal;
}

const shows = (terminal: TestTerminal, text: string | RegExp) =>
  terminal.waitFor(() => new RegExp(text, 'm').test(terminal.history()), `${text}`, START);

async function downloads(): Promise<number> {
  const { jobs } = (await (await fetch(`${queen.url}/v1/jobs`)).json()) as { jobs: { operation: string }[] };
  return jobs.filter(({ operation }) => operation === 'model_download').length;
}

describe('search', () => {
  it.each([[''], ['  ']])('[K6] asks for words when it gets none: "%s"', async (words) => {
    expect(await keeper('search', words)).toMatchObject({
      code: EXIT_CODES.usage,
      stderr: expect.stringContaining('error: the search has no words'),
    });
  });

  it('shows downloads, size and quantisations', async () => {
    const { code, stdout } = await keeper('search', 'model');
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toMatch(/^MODEL +DOWNLOADS +LIKES +PARAMS +SIZE +QUANTISATIONS$/m);
    expect(stdout).toMatch(/^org\/model +1\.2M +0 +64M +~38\.8 MB +Q4_K_M, Q8_0$/m);
  });

  it('keeps names whole on a narrow terminal', async () => {
    const terminal = open(['search', 'model'], 60);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history()).toMatch(/^MODEL +DOWNLOADS +LIKES +PARAMS +SIZE +QUANTISATIONS$/m);
    expect(terminal.history()).toMatch(/^org\/model +1\.2M +\S+ +64M +~38\.8 MB +Q4_K_M, Q8_0$/m);
  });

  it('prints the same for programs, and ends with 0 where nothing matches', async () => {
    const { stdout } = await keeper('search', 'org', 'one', '--limit', '1', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      words: 'org one',
      models: [{ repo: 'org/one', quantisations: ['Q4_0'] }],
    });
    expect(await keeper('search', 'nothing-like-it')).toMatchObject({
      code: 0,
      stdout: 'no model matches "nothing-like-it"\n',
    });
  });

  it.each(['0', '101', 'x'])('refuses --limit %s', async (limit) => {
    expect((await keeper('search', 'x', '--limit', limit)).code).toBe(EXIT_CODES.usage);
  });
});

describe('a repo with several quantisations on a terminal', () => {
  it.each([
    ['a number', '2\r', /Q8_0/],
    ['a name', 'q8_0\r', /Q8_0/],
    ['Enter for the recommended one', '\r', /Q4_K_M/],
    ['a part of a name, after an answer that is not in the list', 'q9\rq4\r', /Q4_K_M/],
  ])('is chosen by %s', async (_, typed, planned) => {
    const terminal = open(['model', 'plan', 'org/model']);
    await shows(terminal, /Which one\? A number or a name, or Enter for Q4_K_M:/);
    expect(terminal.history()).toMatch(/1 +Q4_K_M +40\.0 kB +all hives.*recommended/);
    expect(terminal.history()).toMatch(/2 +Q8_0 +80\.0 kB +all hives/);
    terminal.write(typed);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history().split('Which one').at(-1)).toMatch(planned);
  });

  it('starts nothing after Ctrl+C, and ends with 130', async () => {
    const before = await downloads();
    const terminal = open(['pull', 'org/model']);
    await shows(terminal, 'Which one');
    terminal.write(CTRL_C);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
    expect(await downloads()).toBe(before);
  });

  it('starts nothing at the end of the input', async () => {
    const before = await downloads();
    const terminal = open(['pull', 'org/model']);
    await shows(terminal, 'Which one');
    terminal.write('\u0004');
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.failed);
    expect(terminal.history()).toContain('nothing was started');
    expect(await downloads()).toBe(before);
  });

  it('is downloaded as chosen, and shown as on disk the next time', async () => {
    const terminal = open(['pull', 'org/model', '--hive', 'hive-b']);
    await shows(terminal, 'Which one');
    terminal.write('Q8_0\r');
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    const again = open(['pull', 'org/model']);
    await shows(again, /2 +Q8_0 +80\.0 kB +all hives +hive-b/);
    again.write(CTRL_C);
    await again.exited;
  });

  it.each([
    ['with --yes', ['pull', 'org/model', '--yes', '--hive', 'hive-a']],
    ['named', ['pull', 'org/model:Q4_K_M', '--hive', 'hive-a']],
  ])('asks nothing %s', async (_, words) => {
    const terminal = open(words, 200);
    expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
    expect(terminal.history()).not.toContain('Which one');
    expect(terminal.history()).toContain('model-Q4_K_M.gguf');
  });

  it('asks nothing without a terminal', async () => {
    const { code, stdout, stderr } = await keeper('pull', 'org/model', '--hive', 'hive-a');
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.not.stringContaining('Which one') });
    expect(stdout).toMatch(/model-Q4_K_M\.gguf\n$/);
  });
});

describe('pull -i', () => {
  it('downloads each line, without comments, blank lines and carriage returns', async () => {
    await writeFile(inFolder('list'), '\ufeff# models\r\n\r\n  org/one  # small\r\nhf:org/model:Q4_K_M\r\norg/one');
    const { code, stdout } = await keeper('pull', '-i', inFolder('list'), '--hive', 'hive-a');
    expect(code).toBe(EXIT_CODES.done);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((path) => path.split('/').at(-1)),
    ).toEqual(['one-Q4_0.gguf', 'model-Q4_K_M.gguf', 'one-Q4_0.gguf']);
  });

  it('reads standard input', async () => {
    const program = await startProgram({
      command: 'sh',
      args: ['-c', 'echo org/one | "$0" "$@"', process.execPath, '--conditions=@rbee/source', MAIN, 'pull', '-i', '-'],
      env: { RBEE_QUEEN_URL: queen.url },
    });
    expect((await program.exited).code).toBe(EXIT_CODES.done);
    expect(program.stdout()).toMatch(/one-Q4_0\.gguf\n$/);
  });

  it('names the line that is no model, and starts nothing', async () => {
    const before = await downloads();
    await writeFile(inFolder('list'), 'org/one\n\nnot a model\n');
    const { code, stderr } = await keeper('pull', '-i', inFolder('list'));
    expect({ code, stderr }).toMatchObject({
      code: EXIT_CODES.usage,
      stderr: expect.stringMatching(/line 3 of .*list: /),
    });
    expect(await downloads()).toBe(before);
  });

  it.each([
    ['a file that is not there', ['pull', '-i', '/nowhere/list']],
    ['neither models nor a list', ['pull']],
    ['--on-complete with --detach', ['pull', 'org/one', '--detach', '--on-complete', 'true']],
    ['--local-dir with --detach', ['pull', 'org/one', '--detach', '--local-dir', 'x']],
    ['--between with --detach', ['pull', 'org/one', '--detach', '--between', '02:00-07:00']],
    ['no times', ['pull', 'org/one', '--between', 'night']],
    ['the same time twice', ['pull', 'org/one', '--between', '02:00-02:00']],
  ])('refuses %s', async (_, words) => {
    expect((await keeper(...words)).code).toBe(EXIT_CODES.usage);
  });
});

describe('pull --dry-run', () => {
  it('shows the plan of each model, and starts no download', async () => {
    const before = await downloads();
    const { code, stdout } = await keeper('pull', 'org/one', 'org/model:Q8_0', '--dry-run');
    expect(code).toBe(EXIT_CODES.done);
    expect(stdout).toMatch(/sub\/one-Q4_0\.gguf[\s\S]*model-Q8_0-00002-of-00002\.gguf/);
    expect(await downloads()).toBe(before);
  });

  it('takes the globs of the command', async () => {
    const { stdout } = await keeper('pull', 'org/model', '--dry-run', '--json', '--include', '*00002-of*');
    expect(JSON.parse(stdout)).toMatchObject({ files: [{ path: 'model-Q8_0-00002-of-00002.gguf' }] });
  });
});

describe('pull --local-dir', () => {
  it('puts the file under its name in the repo, as a link into the store, and prints its path', async () => {
    const { code, stdout } = await keeper('pull', 'org/one', '--hive', 'hive-a', '--local-dir', inFolder('new'));
    expect({ code, stdout }).toEqual({ code: EXIT_CODES.done, stdout: `${inFolder('new', 'sub', 'one-Q4_0.gguf')}\n` });
    expect(await readFile(inFolder('new', 'sub', 'one-Q4_0.gguf'))).toEqual(generateBytes({ size: 7_000, seed: 4 }));
    expect((await stat(inFolder('new', 'sub', 'one-Q4_0.gguf'))).nlink).toBeGreaterThan(1);
  });

  it('puts all shards there, and prints the folder', async () => {
    const { stdout } = await keeper('pull', 'org/model:Q8_0', '--hive', 'hive-a', '--local-dir', folder.path);
    expect(stdout).toBe(`${folder.path}\n`);
    expect(await readFile(inFolder('model-Q8_0-00002-of-00002.gguf'))).toEqual(
      generateBytes({ size: 30_000, seed: 3 }),
    );
  });

  it('leaves an equal file alone', async () => {
    await mkdir(inFolder('sub'));
    await writeFile(inFolder('sub', 'one-Q4_0.gguf'), generateBytes({ size: 7_000, seed: 4 }));
    const before = await stat(inFolder('sub', 'one-Q4_0.gguf'));
    expect((await keeper('pull', 'org/one', '--hive', 'hive-a', '--local-dir', folder.path)).code).toBe(0);
    expect((await stat(inFolder('sub', 'one-Q4_0.gguf'))).ino).toBe(before.ino);
  });

  it('does not replace a different file, unless the user says so', async () => {
    await mkdir(inFolder('sub'));
    await writeFile(inFolder('sub', 'one-Q4_0.gguf'), 'mine');
    await link(inFolder('sub', 'one-Q4_0.gguf'), inFolder('other'));
    const words = ['pull', 'org/one', '--hive', 'hive-a', '--local-dir', folder.path];
    const refused = await keeper(...words);
    expect(refused).toMatchObject({
      code: EXIT_CODES.failed,
      stderr: expect.stringContaining('is there and different'),
    });
    expect(await readFile(inFolder('sub', 'one-Q4_0.gguf'), 'utf8')).toBe('mine');
    expect((await keeper(...words, '--yes')).code).toBe(EXIT_CODES.done);
    expect(await readFile(inFolder('sub', 'one-Q4_0.gguf'))).toEqual(generateBytes({ size: 7_000, seed: 4 }));
    expect(await readFile(inFolder('other'), 'utf8')).toBe('mine');
  });

  it('fails before the download where the folder cannot be written', async () => {
    const before = await downloads();
    await writeFile(inFolder('file'), '');
    const { code, stderr } = await keeper('pull', 'org/one', '--local-dir', inFolder('file'));
    expect({ code, stderr }).toMatchObject({
      code: EXIT_CODES.failed,
      stderr: expect.stringContaining('cannot write to'),
    });
    expect(await downloads()).toBe(before);
  });
});

describe('pull --on-complete', () => {
  const SCRIPT = 'printf "%s|%s|%s|%s\\n" "$#" "$1" "$RBEE_PATH" "$RBEE_PATHS"';

  it('runs once, with the paths as arguments and in the environment', async () => {
    const { code, stdout, stderr } = await keeper(
      ...['pull', 'org/one', 'org/model:Q4_K_M', '--hive', 'hive-a', '--on-complete', SCRIPT],
    );
    expect(code).toBe(EXIT_CODES.done);
    const paths = stdout.trim().split('\n');
    const [line = ''] = /^2\|.*\n.*$/m.exec(stderr) ?? [];
    expect(line.split(/[|\n]/).slice(1, 3)).toEqual([line.split('|')[1], line.split('|')[1]]);
    for (const path of paths) expect(line).toContain(path);
  });

  it('passes hostile names on as they are: the shell does not read them', async () => {
    const name = "$(touch pwned) `touch pwned` '; touch pwned; '.gguf";
    hub.addRepo({ id: 'org/hostile', files: { [name]: { size: 10, seed: 5 } } });
    const words = [
      'pull',
      'org/hostile',
      '--hive',
      'hive-a',
      '--on-complete',
      `cd '${folder.path}' && ls -d "$1" && ls`,
    ];
    const { code, stderr } = await keeper(...words);
    expect(code).toBe(EXIT_CODES.done);
    expect(stderr).toContain(name);
    expect(await stat(inFolder('pwned')).catch(() => null)).toBeNull();
  });

  it('ends with the exit code of the command', async () => {
    expect((await keeper('pull', 'org/one', '--on-complete', 'exit 7')).code).toBe(7);
  });

  it('does not run after a failure', async () => {
    const { code, stderr } = await keeper('pull', 'org/one', 'org/none', '--on-complete', 'echo RAN');
    expect(code).toBe(EXIT_CODES.failed);
    expect(stderr).not.toContain('RAN');
  });

  it('keeps stdout free for the results', async () => {
    const { stdout } = await keeper('pull', 'org/one', '--json', '--on-complete', 'echo RAN');
    for (const line of stdout.trim().split('\n')) expect(() => JSON.parse(line)).not.toThrow();
  });
});

describe('pull --between', () => {
  it('pauses the download outside the window, says until when, and cancels it with Ctrl+C', async () => {
    hub.addRepo({ id: 'org/night', files: { 'n-Q4_0.gguf': { size: 60_000_000, seed: 6 } } });
    hub.throttle(1_000_000);
    try {
      const hour = (new Date().getHours() + 12) % 24;
      const window = `${String(hour).padStart(2, '0')}:00-${String(hour).padStart(2, '0')}:30`;
      const program = await startKeeper(['pull', 'org/night', '--hive', 'hive-a', '--between', window], { queen });
      await program.waitFor(() => /: paused/.test(program.stderr()), 'the pause', START);
      expect(program.stderr()).toContain(`paused until ${window.slice(0, 5)}`);
      expect(await program.stop('SIGINT', START)).toBe(EXIT_CODES.interrupted);
    } finally {
      hub.throttle(null);
    }
  });
});
