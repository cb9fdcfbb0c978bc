import { join } from 'node:path';
import { openTerminal } from '@rbee/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { daemonsOf } from '../apps/keeper/test/support/daemons-of.ts';
import { type CommandRow, commandRows, type Downloads, prepareDownloads } from './support/every-command.ts';
import { type Fleet, KEEPER, startFleet, startKeeper } from './support/fleet.ts';

// Goal: every command does what it is for, on a terminal, in a pipe and for programs. Method: the built programs and one
// fleet of two hives; the commands come from the help of the program, so that a new one without a row fails. Failure
// shows as another exit code, something else on stdout, a control character in a pipe, or something left running.

let fleet: Fleet;
let downloads: Downloads;
beforeAll(async () => {
  fleet = await startFleet({ hiveIds: ['hive-a', 'hive-b'], hiveEnv: { RBEE_HIVE_MAX_CONCURRENT_DOWNLOADS: '50' } });
  downloads = await prepareDownloads(fleet);
}, 120_000);
afterEach(() => downloads.cancelAll());
afterAll(() => fleet.close());

const ROWS = commandRows(
  () => fleet,
  () => downloads,
);
const env = () => ({
  HOME: join(fleet.folder, 'user'),
  XDG_STATE_HOME: join(fleet.folder, 'user/state'),
  RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
  HF_ENDPOINT: fleet.hub.url,
  RBEE_QUEEN_URL: fleet.queen.url,
});

it('has a row for each command of the program', async () => {
  const commands: string[] = [];
  for (const group of await namesIn()) {
    const below = group === 'help' ? [] : (await namesIn(group)).filter((name) => name !== 'help');
    commands.push(...(below.length === 0 ? [group] : below.map((name) => `${group} ${name}`)));
  }
  expect(Object.keys(ROWS).sort()).toEqual(commands.sort());
});

/** The commands that a help lists, under whatever headings. */
async function namesIn(...words: readonly string[]): Promise<string[]> {
  const program = await startKeeper([...words, '--help'], env());
  expect(await program.exited).toMatchObject({ code: 0 });
  return [...program.stdout().matchAll(/^([A-Z][\w ]+):\n((?: {2}.*\n?)+)/gm)]
    .filter(([, heading = '']) => !/^(?:(?:Global )?Options|Arguments|Exit codes|Examples?)$/.test(heading))
    .flatMap(([, , listed = '']) => [...listed.matchAll(/^ {2}([a-z]+)/gm)].map(([, name = '']) => name));
}

describe.each(Object.entries(ROWS))('%s', (_, row) => {
  const { key, code = 0, until } = row;
  const prints = (stdout: string) => expect(stdout).toMatch(new RegExp(`^${row.prints.source}$`));

  async function inPipe(...more: readonly string[]): Promise<string> {
    const program = await startKeeper([...(await wordsOf(row)), ...more], env());
    if (until !== undefined) {
      await program.waitFor(() => until.test(program.stdout() + program.stderr()), String(until));
      process.kill(program.pid, 'SIGINT');
    }
    const end = await program.exited;
    const stdout = program.rawStdout();
    expect({ ...end, stdout, stderr: program.stderr() }).toMatchObject({ code });
    expect(stdout + program.stderr(), 'control characters').not.toMatch(/[^\P{Cc}\n]/u);
    expect(daemonsOf({ path: env().HOME })).toEqual([]);
    return stdout;
  }

  it('prints its result and nothing else into a pipe', async () => {
    prints(await inPipe());
  });

  it.skipIf(key === null)('prints nothing but JSON with --json', async () => {
    const lines = (await inPipe('--json')).split('\n');
    expect(lines.pop()).toBe('');
    for (const line of lines) expect(JSON.parse(line)).toBeTypeOf('object');
    expect(JSON.parse(lines[0] ?? '')).toHaveProperty(key ?? '');
  });

  it('shows its result on a terminal, and leaves it as it was', async () => {
    const args = [KEEPER, ...(await wordsOf(row))];
    const terminal = openTerminal({ command: process.execPath, args, cols: 250, env: env() });
    if (until !== undefined) {
      await terminal.waitFor(() => until.test(terminal.history()), String(until));
      terminal.write('\u0003');
    }
    if (row.asks) {
      await terminal.waitFor(() => terminal.screen().includes('[y/N]'), 'the question');
      terminal.write('y\r');
    }
    expect({ ...(await terminal.exited), shown: terminal.history() }).toMatchObject({ exitCode: code });
    expect(`${terminal.history()}\n`).toMatch(row.prints);
    const raw = terminal.raw();
    for (const mode of ['25', '7']) {
      expect(raw.lastIndexOf(`\u001b[?${mode}l`)).toBeLessThanOrEqual(raw.lastIndexOf(`\u001b[?${mode}h`));
    }
    expect(daemonsOf({ path: env().HOME })).toEqual([]);
  });
});

const wordsOf = async ({ words }: CommandRow): Promise<readonly string[]> =>
  typeof words === 'function' ? await words() : words;
