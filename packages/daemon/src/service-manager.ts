import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Environment } from './settings/setting.ts';

const run = promisify(execFile);

/** The program of systemd that sends a notification: Node.js has no Unix datagram sockets. */
const NOTIFY_PROGRAM = 'systemd-notify';
/** A service manager that does not respond must not block a daemon. */
const NOTIFY_TIMEOUT_MS = 5_000;

/** Notifies a service manager of a daemon's state: `sd_notify(3)`. The promises never reject. */
export interface ServiceManager {
  ready(): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
}

/** Notifies the service manager that `NOTIFY_SOCKET` names, if any. Notifications are sent in order. */
export function createServiceManager(
  env: Environment,
  log: { warn(fields: object, message: string): void },
): ServiceManager {
  const { NOTIFY_SOCKET: socket, PATH: path } = env;
  let last = Promise.resolve();
  const notify = (...assignments: string[]) => {
    if (!socket) return last;
    const childEnv = { NOTIFY_SOCKET: socket, ...(path === undefined ? {} : { PATH: path }) };
    last = last.then(async () => {
      try {
        await run(NOTIFY_PROGRAM, assignments, { env: childEnv, timeout: NOTIFY_TIMEOUT_MS });
      } catch (error) {
        log.warn({ err: error }, `cannot notify the service manager; is ${NOTIFY_PROGRAM} on the PATH?`);
      }
    });
    return last;
  };
  return {
    ready: () => notify('READY=1', 'STATUS=serving'),
    reloading: () => notify('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`),
    stopping: () => notify('STOPPING=1', 'STATUS=draining'),
  };
}
