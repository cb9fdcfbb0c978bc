import { createInterface } from 'node:readline';
import type { Io } from '../io.ts';
import type { Renderer } from '../render/renderer.ts';

/** What a question needs of a session. */
export interface Asking {
  readonly io: Io;
  readonly renderer: Renderer;
  /** Whether the user has said yes to everything, with `--yes`. */
  readonly isYes: boolean;
}

/** Whether somebody can be asked and wants to be: at a terminal, without `--yes`. */
export function asks({ io, isYes }: Asking): boolean {
  return !isYes && io.stdin.isTTY === true && io.stderr.isTTY === true;
}

/**
 * Shows what is about to happen and asks whether it should; anything but a yes is a no, and `refusal` says so.
 * The terminal stays in its usual mode, so that Ctrl+C interrupts as everywhere.
 * @throws the interrupt's reason
 */
export async function confirm(
  { io, renderer }: Asking,
  { preview, question, refusal }: { readonly preview: string; readonly question: string; readonly refusal: string },
): Promise<boolean> {
  const answer = await asking(renderer, () => {
    io.stderr.write(preview);
    return readAnswer(io, `${question} [y/N] `);
  });
  const isYes = /^\s*y(?:es)?\s*$/i.test(answer ?? '');
  if (!isYes) renderer.note(refusal);
  return isYes;
}

/** Asks something while nothing else is drawn on the terminal. */
export async function asking<T>(renderer: Pick<Renderer, 'rest'>, ask: () => Promise<T>): Promise<T> {
  const resume = renderer.rest?.();
  try {
    return await ask();
  } finally {
    resume?.();
  }
}

/** The line that is typed; null at the end of the input. @throws the interrupt's reason */
export async function readAnswer({ stdin, stderr, interrupt }: Io, prompt: string): Promise<string | null> {
  interrupt.throwIfAborted();
  stderr.write(prompt);
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    return await new Promise<string | null>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('close', () => {
        stderr.write('\n');
        resolve(null);
      });
      interrupt.addEventListener('abort', () => reject(interrupt.reason), { once: true });
    });
  } finally {
    lines.removeAllListeners('close');
    lines.close();
  }
}
