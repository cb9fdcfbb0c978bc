import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Environment } from './settings/setting.ts';

const run = promisify(execFile);

/** The program of systemd that passes a message on: Node.js has no datagram sockets of the Unix kind. */
const NOTIFY_PROGRAM = 'systemd-notify';
/** A service manager that does not listen must not hold a daemon up. */
const NOTIFY_TIMEOUT_MS = 5_000;

/** What a service manager is told of a daemon's life: `sd_notify(3)`. The promises never reject. */
export interface ServiceManager {
  ready(): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
}

/** Tells the service manager that `NOTIFY_SOCKET` names; nobody where there is none. Messages go out in order. */
export function createServiceManager(
  env: Environment,
  log: { warn(fields: object, message: string): void },
): ServiceManager {
  const { NOTIFY_SOCKET: socket, PATH: path } = env;
  let last = Promise.resolve();
  const tell = (...assignments: string[]) => {
    if (!socket) return last;
    const childEnv = { NOTIFY_SOCKET: socket, ...(path === undefined ? {} : { PATH: path }) };
    last = last.then(async () => {
      try {
        await run(NOTIFY_PROGRAM, assignments, { env: childEnv, timeout: NOTIFY_TIMEOUT_MS });
      } catch (error) {
        log.warn({ err: error }, `the service manager could not be told; is ${NOTIFY_PROGRAM} on the PATH?`);
      }
    });
    return last;
  };
  return {
    ready: () => tell('READY=1', 'STATUS=serving'),
    reloading: () => tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`),
    stopping: () => tell('STOPPING=1', 'STATUS=draining'),
  };
}
