import { afterEach, expect, it } from 'vitest';
import { openTerminal, type TerminalOptions, type TestTerminal } from '../src/terminal.ts';

const terminals: TestTerminal[] = [];
afterEach(async () => {
  for (const terminal of terminals.splice(0)) await terminal.kill();
});

function run(script: string, options: Partial<TerminalOptions> = {}): TestTerminal {
  const terminal = openTerminal({ command: process.execPath, args: ['-e', script], ...options });
  terminals.push(terminal);
  return terminal;
}

const FOREVER = 'setInterval(() => {}, 1e6);';

it('is a real terminal of the size asked for', async () => {
  const terminal = run(
    'console.log(process.stdout.isTTY, process.stdout.columns, process.stdout.rows, process.env.TERM)',
    {
      cols: 61,
      rows: 11,
    },
  );
  expect(await terminal.exited).toEqual({ exitCode: 0, signal: null });
  expect(terminal.screen()).toBe('true 61 11 xterm-256color');
});

it('shows what a person would see: lines drawn over, colours gone, spaces cut', async () => {
  const terminal = run(`
    process.stdout.write('old bar 10%   \\r\\u001b[32mnew bar 99%\\u001b[0m   \\r\\n');
    process.stdout.write('second\\r\\n\\u001b[1A\\u001b[2Kredrawn ✓');`);
  await terminal.exited;
  expect(terminal.screen()).toBe('new bar 99%\nredrawn ✓');
  expect(terminal.raw()).toContain('\u001b[32m');
  expect(terminal.raw()).toContain('second');
});

it('keeps what has scrolled out at the top', async () => {
  const terminal = run(`for (let line = 1; line <= 30; line += 1) console.log('line ' + line)`, { rows: 5 });
  await terminal.exited;
  expect(terminal.screen()).toBe('line 27\nline 28\nline 29\nline 30');
  expect(terminal.history().split('\n')).toHaveLength(30);
  expect(terminal.history().startsWith('line 1\nline 2\n')).toBe(true);
});

it('passes on Ctrl+C as an interrupt', async () => {
  const terminal = run(`process.on('SIGINT', () => process.exit(130)); console.log('ready'); ${FOREVER}`);
  await terminal.waitFor(() => terminal.screen().includes('ready'), 'ready');
  terminal.write('\u0003');
  expect(await terminal.exited).toEqual({ exitCode: 130, signal: null });
});

it('passes on what is typed', async () => {
  const terminal = run(`process.stdin.once('data', (text) => { console.log('got ' + text); process.exit(0) })`);
  terminal.write('hello\r');
  await terminal.waitFor(() => terminal.screen().includes('got hello'), 'the answer');
  expect((await terminal.exited).exitCode).toBe(0);
});

it('tells the program of a new size', async () => {
  const terminal = run(
    `process.stdout.on('resize', () => console.log('now', process.stdout.columns)); console.log('ready'); ${FOREVER}`,
  );
  await terminal.waitFor(() => terminal.screen().includes('ready'), 'ready');
  terminal.resize(44, 10);
  await terminal.waitFor(() => terminal.screen().includes('now 44'), 'the new size');
});

it('rejects a wait with the screen when the program ends', async () => {
  const terminal = run(`console.log('so far'); process.exit(7)`);
  const failed = await terminal.waitFor(() => terminal.screen().includes('more'), 'more').catch(String);
  expect(failed).toContain('ended with code 7 while waiting for: more');
  expect(failed).toContain('so far');
});

it('tells the signal that ended the program', async () => {
  const terminal = run(`console.log('ready'); ${FOREVER}`);
  await terminal.waitFor(() => terminal.screen().includes('ready'), 'ready');
  expect(await terminal.kill()).toEqual({ exitCode: null, signal: 9 });
});

it('shows all output of a program that writes much and ends at once', async () => {
  const terminal = run(`process.stdout.write('x'.repeat(79).concat('\\r\\n').repeat(2000) + 'last line')`);
  await terminal.exited;
  expect(terminal.screen().endsWith('last line')).toBe(true);
  expect(terminal.history().split('\n')).toHaveLength(2001);
});
