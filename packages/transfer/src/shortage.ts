import { errnoOf, RbeeError } from '@rbee/contract/plain';

const DESCRIPTORS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);
const MEMORY: ReadonlySet<string> = new Set(['ENOBUFS', 'ENOMEM']);
/** A worker thread that cannot start names the reason in its message only. */
const WORKER = 'ERR_WORKER_INIT_FAILED';

/**
 * This machine has too few file descriptors, threads or too little memory just now: an error that can be retried; null for any other.
 */
export function errorOfShortage(error: unknown): RbeeError | null {
  const code = errnoOf(error);
  if (code === null || error instanceof RbeeError) return null;
  const short = code === WORKER ? /: (E[A-Z]+)/.exec((error as Error).message)?.[1] : code;
  const isDescriptors = short !== undefined && DESCRIPTORS.has(short);
  if (!isDescriptors && code !== WORKER && !MEMORY.has(code)) return null;
  const what = isDescriptors ? 'open files' : 'memory or threads';
  return new RbeeError('DOWNLOAD_FAILED', `this machine is out of ${what} (${short ?? code})`, {
    hint: isDescriptors
      ? 'raise the limit of open files (ulimit -n, or LimitNOFILE of the service), or lower max_connections'
      : 'stop other programs, or raise the limits of this one',
    details: { shortage: short ?? code },
    cause: error,
  });
}
