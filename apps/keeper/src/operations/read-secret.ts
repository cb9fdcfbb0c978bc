import { createInterface } from 'node:readline';
import type { Io } from '../io.ts';

const [CTRL_C, CTRL_D, CTRL_U] = ['\u0003', '\u0004', '\u0015'];
const ENDS: readonly string[] = ['\r', '\n', CTRL_D ?? ''];
const DELETES: readonly string[] = ['\u007f', '\b'];

/**
 * A secret: typed at the prompt without an echo, or else the first line of stdin.
 * @throws the interrupt's reason
 */
export function readSecret(io: Io, prompt: string): Promise<string> {
  return io.stdin.isTTY && io.stdin.setRawMode ? typed(io, prompt) : firstLine(io);
}

async function firstLine({ stdin, interrupt }: Io): Promise<string> {
  const lines = createInterface({ input: stdin, terminal: false, signal: interrupt });
  for await (const line of lines) return line.trim();
  interrupt.throwIfAborted();
  return '';
}

/** Raw mode has no echo; so keys that the terminal usually handles arrive as characters. */
async function typed({ stdin, stderr, interrupt, onLeave }: Io, prompt: string): Promise<string> {
  const restore = () => void stdin.setRawMode?.(false);
  const stays = onLeave(restore);
  stdin.setRawMode?.(true);
  // Only now: what is typed before would be echoed.
  stderr.write(prompt);
  stdin.setEncoding('utf8');
  let text = '';
  try {
    await new Promise<void>((resolve, reject) => {
      interrupt.addEventListener('abort', () => reject(interrupt.reason), { once: true });
      stdin.on('end', resolve).on('data', (keys: string) => {
        for (const key of keys) {
          if (key === CTRL_C) process.kill(process.pid, 'SIGINT');
          else if (ENDS.includes(key)) resolve();
          else if (DELETES.includes(key)) text = text.slice(0, -1);
          else if (key === CTRL_U) text = '';
          else if (key >= ' ') text += key;
        }
      });
    });
    return text.trim();
  } finally {
    stdin.removeAllListeners('data').removeAllListeners('end').pause();
    restore();
    stays();
    stderr.write('\n');
  }
}
