import { fork } from 'node:child_process';
import { once } from 'node:events';
import { killGroup } from './kill-group.ts';

/** A script of the bench in a process of its own. It answers questions, one at a time. */
export interface Helper {
  readonly pid: number;
  /** Its first message. */
  readonly hello: unknown;
  /** Rejects with what it wrote to stderr when it ends without an answer. */
  ask(question: object): Promise<unknown>;
  stop(): Promise<void>;
}

export interface HelperOptions {
  readonly script: URL;
  readonly args?: readonly string[];
  readonly signal: AbortSignal;
}

const maxOutputChars = 4_000;

/** @throws Error when it ends before its first message; the signal's reason when aborted */
export async function startHelper({ script, args = [], signal }: HelperOptions): Promise<Helper> {
  signal.throwIfAborted();
  const child = fork(script, args, {
    execArgv: [],
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const forget = killGroup(child, signal);
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-maxOutputChars);
  });
  const ended = once(child, 'close').then(forget, forget);
  const answer = async (): Promise<unknown> => {
    const over = new AbortController();
    const message = once(child, 'message', { signal: over.signal }).then(([first]) => first as unknown);
    const lost = ended.then(() => {
      signal.throwIfAborted();
      throw new Error(`${script.pathname} ended: ${errors}`);
    });
    lost.catch(() => {});
    try {
      return await Promise.race([message, lost]);
    } finally {
      message.catch(() => {});
      over.abort();
    }
  };
  const hello = await answer();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${script.pathname} has no pid`);
  return {
    pid,
    hello,
    ask(question) {
      const answered = answer();
      if (child.connected) child.send(question);
      return answered;
    },
    async stop() {
      // It has nothing to finish. Disconnecting would not do: Node.js then never emits `close` for the child.
      child.kill('SIGKILL');
      await ended;
    },
  };
}
