import { readFileSync } from 'node:fs';

/** The unit of `/proc/<pid>/stat`: the kernel's USER_HZ, 100 on every machine that Node.js runs on. */
const ticksPerSecond = 100;
const bytesPerKibibyte = 1024;

/** Indexes in `/proc/<pid>/stat`, counted after the name: user and system time of the process, then of its ended children. */
const timeFields = [11, 12, 13, 14] as const;

/** CPU seconds, user and system, of the process and its descendants, ended ones included. 0 without /proc. */
export function cpuSecondsOfTree(pid: number): number {
  const stat = read(`/proc/${pid}/stat`);
  // The name stands in brackets and may itself contain blanks and brackets.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = timeFields.reduce((sum, field) => sum + Number(fields[field] ?? 0), 0);
  return childrenOf(pid).reduce((sum, child) => sum + cpuSecondsOfTree(child), ticks / ticksPerSecond);
}

/** The sum of the memory peaks of all running descendants. */
export function peakBytesBelow(pid: number): number {
  return childrenOf(pid).reduce((sum, child) => sum + peakBytesOf(child) + peakBytesBelow(child), 0);
}

/** VmHWM is reset by exec, so the memory of the forking process does not show in its child. */
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

/** Empty when the process has ended, or on a system without /proc. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ESRCH')) return '';
    throw error;
  }
}
