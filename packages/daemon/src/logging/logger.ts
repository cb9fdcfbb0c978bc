import { printableJson } from '@rbee/contract';
import { type DestinationStream, type Logger, pino } from 'pino';
import { logFields } from './log-context.ts';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

const STDOUT = 1;
/** The reader of a pipe has gone, or a terminal was closed. */
const GONE = new Set<unknown>(['EPIPE', 'EIO']);
/** The disk is full, which may change. */
const FULL = new Set<unknown>(['ENOSPC', 'EDQUOT']);
/** Bytes of lines that wait for disk space; further lines are dropped. */
const MAX_WAITING_BYTES = 1024 * 1024;

/**
 * Logs JSON lines to stdout, each with the daemon's name and the fields of {@link withLogFields}. Characters that control
 * a terminal are escaped: texts of hubs and clients end up in logs, and logs are read on terminals.
 */
export function createLogger(
  options: { readonly name: string; readonly level: (typeof LOG_LEVELS)[number] },
  destination: DestinationStream = logOutput(),
): Logger {
  const { name, level } = options;
  const { isoTime: timestamp } = pino.stdTimeFunctions;
  const hooks = { streamWrite: (line: string) => `${printableJson(line.trimEnd())}\n` };
  return pino({ name, level, timestamp, hooks, mixin: () => ({ ...logFields() }) }, destination);
}

/**
 * Stdout as the destination of a log. Lines are dropped once nobody can read them; while the disk is full they wait for
 * the next line. pino's own stream would buffer them all, end the daemon at the first one, or retry forever when it ends.
 */
export function logOutput(fd: number = STDOUT): DestinationStream {
  const stream = pino.destination({ dest: fd, sync: true, maxLength: MAX_WAITING_BYTES });
  stream.removeAllListeners('error');
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (FULL.has(error.code)) return;
    if (!GONE.has(error.code)) throw error;
    stream.write = () => true;
  });
  // With a full buffer the stream would not retry by itself.
  stream.on('drop', () => stream.flush());
  return stream;
}
