import type { ChildProcess } from 'node:child_process';

/**
 * Kills the child and its process group, which it leads, when the signal aborts or this process exits.
 * Returns a function to call once the child has ended by itself.
 */
export function killGroup({ pid }: ChildProcess, signal?: AbortSignal): () => void {
  const kill = (): void => {
    if (pid !== undefined) send(-pid);
  };
  process.once('exit', kill);
  signal?.addEventListener('abort', kill, { once: true });
  if (signal?.aborted) kill();
  return () => {
    process.off('exit', kill);
    signal?.removeEventListener('abort', kill);
  };
}

function send(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
