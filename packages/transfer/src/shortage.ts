import { errnoOf, RbeeError } from '@rbee/contract/plain';

const DESCRIPTORS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE']);
const MEMORY: ReadonlySet<string> = new Set(['ENOBUFS', 'ENOMEM']);
const WORKER = 'ERR_WORKER_INIT_FAILED';

/**
 * This machine has too few file descriptors, threads or too little memory just now: an error that can be retried; null for any other.
 */
export function errorOfShortage(error: unknown): RbeeError | null {
  if (!(error instanceof Error) || error instanceof RbeeError) return null;
  const code = errnoOf(error);
  const short = code !== null && code !== WORKER && !code.startsWith('ERR_') ? code : reasonOf(error);
  const isDescriptors = short !== null && DESCRIPTORS.has(short);
  if (!isDescriptors && code !== WORKER && (short === null || !MEMORY.has(short))) return null;
  const what = isDescriptors ? 'open files' : 'memory or threads';
  return new RbeeError('DOWNLOAD_FAILED', `this machine is out of ${what} (${short ?? WORKER})`, {
    hint: isDescriptors
      ? 'raise the limit of open files (ulimit -n, or LimitNOFILE of the service), or lower max_connections'
      : 'stop other programs, or raise the limits of this one',
    details: { shortage: short ?? WORKER },
    cause: error,
  });
}

/** A worker thread that cannot start, or cannot load its code, has the reason in its message only. */
function reasonOf({ message }: Error): string | null {
  if (/too many open files/i.test(message)) return 'EMFILE';
  return /: (E[A-Z]+)\b/.exec(message)?.[1] ?? null;
}
