import { type DestinationStream, type Logger, pino } from 'pino';
import { logOutput } from './log-output.ts';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** JSON lines to stdout, with the fields that name the daemon in each. */
export function createLogger(
  options: { readonly name: string; readonly level: (typeof LOG_LEVELS)[number] },
  destination: DestinationStream = logOutput(),
): Logger {
  const { name, level } = options;
  return pino({ name, level, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
