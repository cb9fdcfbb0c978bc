import { readFileSync } from 'node:fs';

/** What Linux counts in `/proc/<pid>/stat`: the kernel's USER_HZ, 100 on every machine that Node.js runs on. */
const ticksPerSecond = 100;
const bytesPerKibibyte = 1024;

/** Of `/proc/<pid>/stat`, counted after the name: user and system time of the process, then of its children that ended. */
const timeFields = [11, 12, 13, 14] as const;

/** CPU seconds, user and system, of the process and all below it, those that ended included. 0 where there is no /proc. */
export function cpuSecondsOfTree(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name is in brackets and may hold blanks and brackets itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = timeFields.reduce((sum, field) => sum + Number(fields[field] ?? 0), 0);
  return childrenOf(pid).reduce((sum, child) => sum + cpuSecondsOfTree(child), ticks / ticksPerSecond);
}

/** The most memory that the processes below this one, which run now, have held: the sum of their own peaks. */
export function peakBytesBelow(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + peakBytesOf(child) + peakBytesBelow(child), 0);
}

/** Of the process and all below it, now. What they share counts for each of them. */
export function residentBytesOfTree(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
  const own = Number(kibibytes ?? 0) * bytesPerKibibyte;
  return childrenOf(pid).reduce((sum, child) => sum + residentBytesOfTree(child), own);
}

/** VmHWM starts anew at exec, so a child does not show what the process that forked it had held. */
function peakBytesOf(pid: number): number {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1];
  return Number(kibibytes ?? 0) * bytesPerKibibyte;
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`)
    .split(' ')
    .filter((text) => text !== '')
    .map(Number);
}

/** Empty when the process has ended meanwhile, or on a system without /proc. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return '';
    throw error;
  }
}
