import type { TextOutput } from '../output.ts';
import type { Renderer } from './renderer.ts';

const INTERVAL_MS = 1_000;
const ERASE_LINE = '\r\u001b[2K';

/**
 * Shows on a terminal that a command is at work which has shown nothing for a second, until its result is there. `now` is in
 * milliseconds.
 */
export function withWaitingLine(renderer: Renderer, terminal: TextOutput, now: () => number): Renderer {
  const startedAtMs = now();
  let isShown = false;
  const erase = () => {
    if (isShown) terminal.stream.write(ERASE_LINE);
    isShown = false;
  };
  const timer = setInterval(() => {
    isShown = true;
    const secs = Math.round((now() - startedAtMs) / 1_000);
    terminal.stream.write(`${ERASE_LINE}${terminal.shown(`working… ${secs} s`)}`);
  }, INTERVAL_MS);
  const rest = () => {
    clearInterval(timer);
    erase();
  };
  return {
    ...renderer,
    event(event) {
      erase();
      renderer.event(event);
    },
    result(data, text, notes) {
      rest();
      renderer.result(data, text, notes);
    },
    note(text) {
      erase();
      renderer.note(text);
    },
    failure(failure) {
      rest();
      renderer.failure(failure);
    },
    rest,
    close() {
      rest();
      renderer.close();
    },
  };
}
