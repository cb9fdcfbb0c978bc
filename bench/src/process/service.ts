import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { killGroup } from './kill-group.ts';

/** A server that runs alongside the bench. */
export interface Service {
  readonly pid: number;
  /** The first line it prints. Rejects when it ends without one. */
  readonly firstLine: Promise<string>;
  /** The first line to match the pattern. Rejects when it ends without one. */
  waitForLine(pattern: RegExp): Promise<string>;
  /** Resolves when it has ended, with the last part of its stderr. Never rejects. */
  readonly ended: Promise<string>;
  /** Sends SIGTERM and waits; kills it when it takes too long. */
  stop(): Promise<void>;
}

const stopTimeoutMs = 5_000;
const maxOutputChars = 4_000;

/** @throws Error when the command cannot be started. */
export async function startService(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Service> {
  // In a group of its own, Ctrl+C reaches the bench alone, which stops its services when no client needs them any more.
  const child = spawn(command, args, { env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  await once(child, 'spawn');
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} has no pid`);
  const forget = killGroup(child);
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-maxOutputChars);
  });
  const ended = new Promise<string>((resolve) => {
    child.once('close', () => {
      forget();
      resolve(errors);
    });
  });
  const output = createInterface({ input: child.stdout });
  const waitForLine = (pattern: RegExp): Promise<string> => {
    const found = Promise.withResolvers<string>();
    const look = (line: string): void => {
      if (pattern.test(line)) found.resolve(line);
    };
    output.on('line', look);
    const gone = ended.then((text) => Promise.reject(new Error(`${command} ended: ${text}`)));
    return Promise.race([found.promise, gone]).finally(() => output.off('line', look));
  };
  const firstLine = waitForLine(/(?:)/);
  // Not every service prints a line, and not every caller waits for one.
  firstLine.catch(() => {});
  return {
    pid,
    firstLine,
    waitForLine,
    ended,
    async stop() {
      child.kill('SIGTERM');
      const timeout = new AbortController();
      const late = delay(stopTimeoutMs, null, { signal: timeout.signal }).catch(() => null);
      if ((await Promise.race([ended, late])) === null) child.kill('SIGKILL');
      timeout.abort();
      await ended;
    },
  };
}
