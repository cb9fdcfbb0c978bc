import { readdirSync, readFileSync } from 'node:fs';
import { createWatch, type TempDir, type WaitOptions } from '@rbee/testing';

/** Running queens and hives with this folder in their environment, whoever is their parent by now. Linux only. */
export function daemonsOf(folder: Pick<TempDir, 'path'>): number[] {
  const read = (pid: string, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, 'utf8');
    } catch {
      // It has ended.
      return '';
    }
  };
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => /rbee-(?:hive|queen)/.test(read(pid, 'cmdline')) && read(pid, 'environ').includes(folder.path))
    .map(Number);
}

/** Waits until none is left. */
export async function untilNoDaemons(folder: TempDir, options: WaitOptions): Promise<void> {
  const watch = createWatch(() => `running: ${daemonsOf(folder).join(' ')}`);
  await watch.waitFor(() => daemonsOf(folder).length === 0, 'the daemons to be gone', options);
}
