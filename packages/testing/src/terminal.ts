import { type IPty, spawn } from '@lydell/node-pty';
import xterm, { type IBuffer } from '@xterm/headless';
import { childEnv } from './child-env.ts';
import { createWatch, type WaitOptions } from './watch.ts';

export interface TerminalOptions {
  readonly command: string;
  readonly args?: readonly string[];
  /** Default 80. */
  readonly cols?: number;
  /** Default 24. */
  readonly rows?: number;
  /** Added to a small clean environment with `TERM=xterm-256color`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export interface TerminalExit {
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal's number. */
  readonly signal: number | null;
}

export interface TestTerminal {
  readonly pid: number;
  /** The visible screen: one line per row, without trailing spaces and without empty rows at the bottom. */
  screen(): string;
  /** The same, including everything that has scrolled out at the top. */
  history(): string;
  /** Every character that the program has written, escape sequences included. */
  raw(): string;
  /** Types: `'\u0003'` is Ctrl+C. */
  write(text: string): void;
  resize(cols: number, rows: number): void;
  /** Checks the condition whenever the screen changes. Rejects with the screen as soon as the program ends without it. */
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Resolves when the program has ended and the screen shows all its output. Never rejects. */
  readonly exited: Promise<TerminalExit>;
  /** Closes the window: the program loses its terminal and gets SIGHUP. */
  hangUp(): void;
  /** Kills the program and everything it started in this terminal. */
  kill(): Promise<TerminalExit>;
}

const defaultCols = 80;
const defaultRows = 24;
const scrollbackRows = 10_000;
const maxRawChars = 16 * 1024 * 1024;

/** Runs a program in a real pseudo-terminal and keeps the screen it draws. It is killed at the latest when this process ends. */
export function openTerminal(options: TerminalOptions): TestTerminal {
  const size = { cols: options.cols ?? defaultCols, rows: options.rows ?? defaultRows };
  const screen = new xterm.Terminal({ ...size, scrollback: scrollbackRows, allowProposedApi: true });
  const program = spawn(options.command, [...(options.args ?? [])], {
    ...size,
    name: 'xterm-256color',
    env: childEnv(options.env),
    cwd: options.cwd ?? process.cwd(),
  });
  let raw = '';
  let ended = false;
  const watch = createWatch(() => `screen of ${options.command}:\n${linesOf(screen.buffer.active, 0)}`);
  program.onData((text) => {
    raw = (raw + text).slice(-maxRawChars);
    screen.write(text, watch.poke);
  });
  // A terminal replies to some queries of the program, such as the position of the cursor.
  screen.onData((text) => {
    if (!ended) program.write(text);
  });

  // Once it has ended, the id may belong to another process.
  const killGroup = (): void => {
    if (!ended) sendKill(program.pid);
  };
  process.once('exit', killGroup);
  const exited = new Promise<TerminalExit>((resolve) => {
    program.onExit(({ exitCode, signal }) => {
      ended = true;
      process.off('exit', killGroup);
      // Written after all output, so its callback runs when the screen is complete.
      screen.write('', () => {
        const end = signal ? { exitCode: null, signal } : { exitCode, signal: null };
        watch.end(`${options.command} ended with ${signal ? `signal ${signal}` : `code ${exitCode}`}`);
        resolve(end);
      });
    });
  });

  return {
    pid: program.pid,
    screen: () => linesOf(screen.buffer.active, screen.buffer.active.baseY),
    history: () => linesOf(screen.buffer.active, 0),
    raw: () => raw,
    write: (text) => program.write(text),
    resize(cols, rows) {
      program.resize(cols, rows);
      screen.resize(cols, rows);
      watch.poke();
    },
    waitFor: watch.waitFor,
    exited,
    hangUp: () => closeTerminal(program),
    kill() {
      killGroup();
      return exited;
    },
  };
}

function closeTerminal(program: IPty): void {
  if (!('destroy' in program) || typeof program.destroy !== 'function')
    throw new Error('the terminal cannot be closed');
  program.destroy();
}

/** The rows from `first` on; a wrapped row counts as a row of its own, as on the screen. */
function linesOf(buffer: IBuffer, first: number): string {
  const rows: string[] = [];
  for (let row = first; row < buffer.length; row += 1) {
    rows.push((buffer.getLine(row)?.translateToString(true) ?? '').trimEnd());
  }
  while (rows.at(-1) === '') rows.pop();
  return rows.join('\n');
}

/** A program in a pseudo-terminal leads a process group, which is killed with it. */
function sendKill(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has already ended.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
