import type { Io } from '../io.ts';
import type { Renderer } from './renderer.ts';

const INTERVAL_MS = 1_000;
const ERASE_LINE = '\r\u001b[2K';

/**
 * Shows on a terminal that a command is at work which has shown nothing for a second, until its result is there, and never
 * while the user is asked something.
 */
export function withWaitingLine(renderer: Renderer, { stderr, now, onSuspend }: Io): Renderer {
  let timer: NodeJS.Timeout | undefined;
  let isShown = false;
  let isOver = false;
  const erase = () => {
    if (isShown) stderr.stream.write(ERASE_LINE);
    isShown = false;
  };
  const start = () => {
    if (isOver) return;
    const startedAtMs = now();
    timer = setInterval(() => {
      isShown = true;
      const secs = Math.round((now() - startedAtMs) / 1_000);
      stderr.stream.write(`${ERASE_LINE}${stderr.shown(`working… ${secs} s`)}`);
    }, INTERVAL_MS);
  };
  const stop = () => {
    clearInterval(timer);
    erase();
  };
  const suspending = onSuspend({ suspend: erase, resume: () => {} });
  const end = () => {
    isOver = true;
    suspending();
    stop();
  };
  start();
  return {
    ...renderer,
    event(event) {
      erase();
      renderer.event(event);
    },
    result(data, text, notes) {
      end();
      renderer.result(data, text, notes);
    },
    note(text) {
      erase();
      renderer.note(text);
    },
    failure(failure) {
      end();
      renderer.failure(failure);
    },
    rest() {
      stop();
      return start;
    },
    close() {
      end();
      renderer.close();
    },
  };
}
