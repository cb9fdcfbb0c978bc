import { readFile } from 'node:fs/promises';
import { parseModelRef, RbeeError } from '@rbee/contract';
import { usageError } from '../../errors/keeper-error.ts';
import type { Io } from '../../io.ts';

/** More than anyone writes, and little enough to hold. */
const MAX_LIST_BYTES = 4 * 1024 * 1024;

/**
 * The refs of a list, one on each line; blank lines and lines that begin with `#` count for nothing, and what follows a blank and a `#`
 * neither. `-` is standard input.
 * @throws KeeperError USAGE for a list that cannot be read, and for a line that is no ref, with its number
 */
export async function readRefList(path: string, io: Io): Promise<string[]> {
  const name = path === '-' ? 'standard input' : path;
  const lines = (await readText(path, name, io)).replace(/^\ufeff/, '').split(/\r\n|\n|\r/);
  return lines.flatMap((line, index) => {
    const ref = line.replace(/(?:^|\s+)#.*$/, '').trim();
    if (ref === '') return [];
    try {
      parseModelRef(ref);
      return [ref];
    } catch (error) {
      if (!(error instanceof RbeeError)) throw error;
      throw usageError(`line ${index + 1} of ${name}: ${error.message}`, error.hint);
    }
  });
}

async function readText(path: string, name: string, { stdin, interrupt }: Io): Promise<string> {
  try {
    if (path !== '-') {
      const text = await readFile(path, { encoding: 'utf8', signal: interrupt });
      if (text.length > MAX_LIST_BYTES) throw new Error('it is too large for a list of models');
      return text;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    interrupt.addEventListener('abort', () => (stdin as NodeJS.ReadStream).destroy(interrupt.reason as Error), {
      once: true,
    });
    for await (const chunk of stdin) {
      chunks.push(Buffer.from(chunk));
      bytes += chunk.length;
      if (bytes > MAX_LIST_BYTES) throw new Error('it is too large for a list of models');
    }
    return Buffer.concat(chunks).toString('utf8');
  } catch (error) {
    interrupt.throwIfAborted();
    throw usageError(`cannot read ${name}: ${(error as Error).message}`, 'name a file with one model on each line');
  }
}
