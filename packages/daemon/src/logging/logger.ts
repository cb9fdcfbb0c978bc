import { type DestinationStream, type Logger, pino } from 'pino';
import { logOutput } from '../log-output.ts';
import { logFields } from './log-context.ts';

export type { Logger };

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** JSON lines to stdout, each with the daemon's name and with what {@link withLogFields} says of the work at hand. */
export function createLogger(
  options: { readonly name: string; readonly level: (typeof LOG_LEVELS)[number] },
  destination: DestinationStream = logOutput(),
): Logger {
  const { name, level } = options;
  const { isoTime: timestamp } = pino.stdTimeFunctions;
  return pino({ name, level, timestamp, mixin: () => ({ ...logFields() }) }, destination);
}
