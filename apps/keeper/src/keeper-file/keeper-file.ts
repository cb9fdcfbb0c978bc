import { existsSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { usageError } from '../errors/keeper-error.ts';
import type { KeeperFile } from './kept-queens.ts';

/** `$XDG_CONFIG_HOME/rbee/keeper.toml`, or else the same below `~/.config`. A relative one does not count (XDG). */
function keeperFilePath(env: NodeJS.ProcessEnv): string {
  const folder = env.XDG_CONFIG_HOME;
  const config = folder && isAbsolute(folder) ? folder : join(homedir(), '.config');
  return join(config, 'rbee', 'keeper.toml');
}

/**
 * Reads the keeper's file; one that does not exist is empty. The parser is loaded only for a file that exists.
 * @throws KeeperError USAGE with the line that is wrong
 */
export async function readKeeperFile(env: NodeJS.ProcessEnv): Promise<KeeperFile> {
  const path = keeperFilePath(env);
  if (!existsSync(path)) return { path, isExposed: false, defaultName: null, queens: new Map() };
  const { parseKeeperFile } = await import('./parse-keeper-file.ts');
  const file = parseKeeperFile(readText(path), path);
  const hasToken = [...file.queens.values()].some(({ token }) => token !== null);
  return { ...file, isExposed: hasToken && isReadableByOthers(path) };
}

/** Windows has no such bits. */
function isReadableByOthers(path: string): boolean {
  return process.platform !== 'win32' && (statSync(path).mode & 0o044) !== 0;
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw usageError(`cannot read ${path} (${reason})`, 'make it a file that you can read, or remove it');
  }
}
