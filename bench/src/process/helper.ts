import { fork } from 'node:child_process';
import { once } from 'node:events';
import { killGroup } from './kill-group.ts';

/** A script of the bench's own that runs beside it and answers its questions, one after another. */
export interface Helper {
  readonly pid: number;
  /** The first message that it sent. */
  readonly hello: unknown;
  /** Rejects when it ends without an answer, with what it wrote to stderr. */
  ask(question: object): Promise<unknown>;
  stop(): Promise<void>;
}

export interface HelperOptions {
  readonly script: URL;
  readonly args?: readonly string[];
  /** Of Node.js. */
  readonly flags?: readonly string[];
  readonly signal: AbortSignal;
}

const maxOutputChars = 4_000;

/** @throws Error when it ends before its first message; the signal's reason when aborted */
export async function startHelper({ script, args = [], flags = [], signal }: HelperOptions): Promise<Helper> {
  signal.throwIfAborted();
  const child = fork(script, args, {
    execArgv: [...flags],
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
      // Nothing of it is worth waiting for. To disconnect would not do: Node.js then never says that the child has closed.
      child.kill('SIGKILL');
      await ended;
    },
  };
}
