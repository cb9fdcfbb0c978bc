import { AsyncLocalStorage } from 'node:async_hooks';

/** The request, job and download that a log line belongs to. */
export interface LogFields {
  /** Of the request that started the work, even after its response. */
  readonly requestId?: string;
  readonly jobId?: string;
  readonly downloadId?: string;
}

const context = new AsyncLocalStorage<LogFields>();

/** Runs `work` with these fields added to every line that it logs, however deep and however late. */
export function withLogFields<T>(fields: LogFields, work: () => T): T {
  return context.run({ ...context.getStore(), ...fields }, work);
}

/** Runs `work` without fields: for work that a request happens to start but that the daemon does for itself. */
export function withoutLogFields<T>(work: () => T): T {
  return context.run({}, work);
}

/** The current fields. */
export function logFields(): LogFields {
  return context.getStore() ?? {};
}

/** The header that passes the current request id on to another daemon, so that all logs show one id. */
export function requestIdHeader(): Readonly<Record<string, string>> {
  const { requestId } = logFields();
  return requestId === undefined ? {} : { 'x-request-id': requestId };
}
