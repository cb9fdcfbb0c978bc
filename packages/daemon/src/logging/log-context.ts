import { AsyncLocalStorage } from 'node:async_hooks';

/** What a line of the log belongs to. */
export interface LogFields {
  /** Of the request that the work was begun by, also where it goes on after the answer. */
  readonly requestId?: string;
  readonly jobId?: string;
  readonly downloadId?: string;
}

const context = new AsyncLocalStorage<LogFields>();

/** Runs `work` so that every line that is logged inside it, however deep and however late, has these fields too. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work);
}

/** Runs `work` as nobody's: for what a request happens to begin and what goes on for the daemon itself. */
export function withoutLogFields<T>(work: () => T): T {
  return context.run({}, work);
}

/** The fields of this moment. */
export function logFields(): LogFields {
  return context.getStore() ?? {};
}

/** What a request that is made for another request carries, so that both have one id in every log on the way. */
export function requestIdHeader(): Readonly<Record<string, string>> {
  const { requestId } = logFields();
  return requestId === undefined ? {} : { 'x-request-id': requestId };
}
