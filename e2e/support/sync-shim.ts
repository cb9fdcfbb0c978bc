import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findCommand } from '@rbee/testing';

/** Counts the syncs of a program's main thread, and makes each take a while, as on a hard disk. */
const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int note(void) {
  if (syscall(SYS_gettid) != getpid()) return 0;
  int log = open(getenv("SYNC_SHIM_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
  if (log >= 0) { if (write(log, "s", 1) < 0) {} close(log); }
  usleep(atoi(getenv("SYNC_SHIM_MS")) * 1000);
  return 0;
}
int fsync(int fd) { note(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { note(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
`;

const compiler = process.platform === 'linux' ? findCommand('gcc') : null;
export const canCompile = compiler !== null;

export interface SyncShim {
  readonly env: Readonly<Record<string, string>>;
  /** Number of syncs so far. */
  count(): number;
}

export function makeSyncShim(folder: string, ms: number): SyncShim {
  const [source, library, log] = ['shim.c', 'shim.so', 'syncs'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, SOURCE);
  writeFileSync(log, '');
  if (compiler === null) throw new Error('there is no compiler');
  execFileSync(compiler, ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl']);
  return {
    env: { LD_PRELOAD: library, SYNC_SHIM_LOG: log, SYNC_SHIM_MS: String(ms) },
    count: () => readFileSync(log).length,
  };
}
