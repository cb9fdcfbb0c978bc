import { type DestinationStream, pino } from 'pino';

const STDOUT = 1;
/** A pipe whose reader has gone, and a terminal that was closed. */
const GONE = new Set<unknown>(['EPIPE', 'EIO']);

/**
 * Stdout for a log. Where nobody can read it any more the lines are dropped: pino's own stream would keep them, end the
 * daemon at the first line, or try for ever to write them when it ends.
 */
export function logOutput(): DestinationStream {
  const stream = pino.destination({ dest: STDOUT, sync: true });
  stream.removeAllListeners('error');
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (!GONE.has(error.code)) throw error;
    stream.write = () => true;
  });
  return stream;
}
