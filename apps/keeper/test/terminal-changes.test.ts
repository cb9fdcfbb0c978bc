import { EXIT_CODES } from '@rbee/contract';
import type { TestTerminal } from '@rbee/testing';
import { openTerminal } from '@rbee/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FakeQueen, startFakeQueen } from './support/fake-queen.ts';
import { type KeeperTerminalOptions, MAIN, openKeeper } from './support/keeper.ts';

const REF = 'hf:org/repo::file=model.gguf';
const CTRL_Z = '\u001a';
const CTRL_C = '\u0003';

let queen: FakeQueen;
let terminal: TestTerminal;
beforeEach(async () => {
  queen = await startFakeQueen();
});
afterEach(async () => {
  await terminal.kill();
  await queen.close();
});

const open = (words: readonly string[], options: KeeperTerminalOptions = {}) => {
  terminal = openKeeper(words, { queen, ...options });
};
const shows = (text: string | RegExp) =>
  terminal.waitFor(
    () => (typeof text === 'string' ? terminal.screen().includes(text) : text.test(terminal.screen())),
    `${text}`,
  );
const flowing = (bytes: number) =>
  ({ status: 'downloading', bytes, total: 1_000, speed_bps: 10, eta_secs: 8 }) as const;
const rowsOf = (text: string) => text.split('\n').length;

/** Six downloads, drawn; every call of the result changes all of them, and waits until that is drawn. */
async function drawSix(options: KeeperTerminalOptions): Promise<(bytes: number) => Promise<void>> {
  const refs = Array.from({ length: 6 }, (_, index) => `hf:org/repo::file=model-${index}.gguf`);
  open(['pull', ...refs], options);
  await queen.waitForJob(refs.length - 1);
  const change = async (bytes: number) => {
    for (const { downloads } of queen.jobs) downloads[0]?.progress(flowing(bytes));
    await shows(new RegExp(`^total \\(6\\).*${(bytes / 10).toFixed(1)}%`, 'm'));
  };
  await change(100);
  return change;
}

describe('bars in a terminal that changes its size', () => {
  it.each([
    ['rows', 80, 4],
    ['rows, to two', 80, 2],
    ['rows, to one', 80, 1],
    ['columns', 30, 24],
    ['both', 30, 4],
  ])('[K5] do not fill the scrollback when it loses %s', async (_, cols, rows) => {
    const change = await drawSix({ cols: 80, rows: 24 });
    terminal.resize(cols, rows);
    await change(200);
    const before = rowsOf(terminal.history());
    for (let bytes = 300; bytes <= 900; bytes += 100) await change(bytes);
    expect(rowsOf(terminal.history())).toBeLessThanOrEqual(before + 1);
    expect(terminal.screen()).toContain('total (6)');
  });

  it('[K5] have all their lines again when it gets its rows back', async () => {
    const change = await drawSix({ cols: 80, rows: 24 });
    terminal.resize(80, 4);
    await change(200);
    terminal.resize(80, 24);
    await change(300);
    await shows(/model-0\.gguf .*30\.0%[\s\S]*model-5\.gguf .*30\.0%[\s\S]*total \(6\) .*30\.0%/);
  });
});

describe('bars', () => {
  it.each([{ LC_ALL: 'C' }, { LC_ALL: 'POSIX' }, { LC_ALL: '', LC_CTYPE: 'C' }, { LC_ALL: '', LANG: '' }])(
    '[K5] are ASCII in the locale %j',
    async (env) => {
      open(['pull', REF], { cols: 100, env });
      const { job, download } = await queen.waitForJob(0);
      download.progress(flowing(500));
      await shows(/model\.gguf +#+\.+ +50\.0%/);
      download.complete('/models/x.gguf');
      job.end({ state: 'completed' });
      expect((await terminal.exited).exitCode).toBe(EXIT_CODES.done);
      expect(terminal.raw()).toMatch(/^\p{ASCII}*$/u);
    },
  );

  it('[K5] fit into 20 columns', async () => {
    open(['pull', REF], { cols: 20 });
    const { job, download } = await queen.waitForJob(0);
    for (let bytes = 100; bytes < 1_000; bytes += 100) {
      download.progress(flowing(bytes));
      await shows(`${bytes / 10}.0%`);
    }
    expect(rowsOf(terminal.history())).toBe(1);
    download.complete('/models/x.gguf');
    job.end({ state: 'completed' });
    await terminal.exited;
    expect(terminal.history()).toContain('/models/x.gguf');
  });
});

describe('Ctrl+Z', () => {
  it('[K4] shows the cursor while the command is stopped, and fg draws the bars again', async () => {
    const keeper = `'${process.execPath}' --conditions=@rbee/source '${MAIN}'`;
    const env = { RBEE_QUEEN_URL: queen.url, PS1: 'PROMPT> ' };
    terminal = openTerminal({ command: 'bash', args: ['--norc', '--noprofile', '-i'], env, cols: 100 });
    await shows('PROMPT>');
    terminal.write(`${keeper} pull ${REF}\r`);
    const { job, download } = await queen.waitForJob(0);
    download.progress(flowing(500));
    await shows('50.0%');
    terminal.write(CTRL_Z);
    await shows('Stopped');
    const stopped = terminal.raw();
    expect(stopped.lastIndexOf('\u001b[?25h')).toBeGreaterThan(stopped.lastIndexOf('\u001b[?25l'));
    expect(stopped.lastIndexOf('\u001b[?7h')).toBeGreaterThan(stopped.lastIndexOf('\u001b[?7l'));
    terminal.write('echo still-a-sh""ell\r');
    await shows('\nstill-a-shell');
    terminal.write('fg\r');
    download.progress(flowing(800));
    await shows('80.0%');
    const resumed = terminal.raw();
    expect(resumed.lastIndexOf('\u001b[?25l')).toBeGreaterThan(resumed.lastIndexOf('\u001b[?25h'));
    terminal.write(CTRL_C);
    await queen.waitForRequest('DELETE', new RegExp(job.id));
    await shows(/cancelled[\s\S]*PROMPT> *$/);
  });
});

it('[K4] SIGTERM restores the terminal', async () => {
  open(['pull', REF]);
  const { download } = await queen.waitForJob(0);
  download.progress(flowing(500));
  await shows('50.0%');
  process.kill(terminal.pid, 'SIGTERM');
  expect((await terminal.exited).exitCode).toBe(EXIT_CODES.interrupted);
  const raw = terminal.raw();
  expect(raw.lastIndexOf('\u001b[?25h')).toBeGreaterThan(raw.lastIndexOf('\u001b[?25l'));
});

it('[K4] closing the terminal cancels the download of the command', async () => {
  open(['pull', REF]);
  const { job, download } = await queen.waitForJob(0);
  download.progress(flowing(500));
  await shows('50.0%');
  terminal.hangUp();
  await queen.waitForRequest('DELETE', new RegExp(job.id));
});
