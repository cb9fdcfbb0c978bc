import { type DestinationStream, pino } from 'pino';

const STDOUT = 1;
/** A pipe whose reader has gone, and a terminal that was closed. */
const GONE = new Set<unknown>(['EPIPE', 'EIO']);
/** A disk that is full, which may change. */
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);
/** Lines that wait for room on the disk; those beyond it are dropped. */
const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * Stdout for a log. Where nobody can read it any more the lines are dropped, and where its disk is full they wait for the
 * next line: pino's own stream would keep them all, end the daemon at the first one, or try for ever to write them when
 * it ends.
 */
export function logOutput(fd: number = STDOUT): DestinationStream {
  const stream = pino.destination({ dest: fd, sync: true, maxLength: MAX_WAITING_BYTES });
  stream.removeAllListeners('error');
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (FULL.has(error.code)) return;
    if (!GONE.has(error.code)) throw error;
    stream.write = () => true;
  });
  // With as much waiting as may, it would try no more.
  stream.on('drop', () => stream.flush());
  return stream;
}
