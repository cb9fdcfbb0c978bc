import { fileURLToPath } from 'node:url';
import { openTerminal, type Program, startProgram, type TestTerminal } from '@rbee/testing';

export const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Runs the sources of all packages, so that no test uses a stale build. */
export const NODE_ARGS = ['--conditions=@rbee/source', MAIN] as const;

export interface KeeperOptions {
  readonly queen?: { readonly url: string };
  readonly env?: Readonly<Record<string, string>>;
}

const envOf = ({ queen, env }: KeeperOptions) => ({ ...(queen ? { RBEE_QUEEN_URL: queen.url } : {}), ...env });

export function startKeeper(words: readonly string[], options: KeeperOptions = {}): Promise<Program> {
  return startProgram({ command: process.execPath, args: [...NODE_ARGS, ...words], env: envOf(options) });
}

export interface KeeperResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the keeper to its end without a terminal. */
export async function runKeeper(words: readonly string[], options: KeeperOptions = {}): Promise<KeeperResult> {
  const program = await startKeeper(words, options);
  const { code } = await program.exited;
  return { code, stdout: program.stdout(), stderr: program.stderr() };
}

export interface KeeperTerminalOptions extends KeeperOptions {
  readonly cols?: number;
  readonly rows?: number;
  /** The value of TERM, if not the default. */
  readonly term?: string;
}

/** Runs the keeper in a real pseudo-terminal. */
export function openKeeper(words: readonly string[], options: KeeperTerminalOptions = {}): TestTerminal {
  const { cols = 80, rows = 24 } = options;
  const kind = options.term === undefined ? [] : [`TERM=${options.term}`];
  const args = [...kind, process.execPath, ...NODE_ARGS, ...words];
  return openTerminal({ command: 'env', args, cols, rows, env: envOf(options) });
}
