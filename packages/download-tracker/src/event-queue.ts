import { type DownloadEvent, isTerminalEvent } from '@rbee/contract';

/** Notices a slow reader may have waiting; beyond it the oldest go. */
const MAX_WAITING_NOTICES = 64;

/**
 * The events that wait for one reader: notices and the end in order, of progress only the newest. So a slow reader
 * costs a bounded amount of memory and is never behind the present.
 */
export class EventQueue {
  #waiting: DownloadEvent[] = [];
  #wake: (() => void) | null = null;

  push(event: DownloadEvent): void {
    if (event.event === 'progress') this.#waiting = this.#waiting.filter((waiting) => waiting.event !== 'progress');
    this.#waiting.push(event);
    if (this.#waiting.length > MAX_WAITING_NOTICES) this.#waiting.shift();
    this.#wake?.();
  }

  /** Yields events until the terminal one or the abort. */
  async *drain(signal?: AbortSignal): AsyncGenerator<DownloadEvent, void, undefined> {
    while (!signal?.aborted) {
      const event = this.#waiting.shift();
      if (event === undefined) {
        await this.#untilPushed(signal);
        continue;
      }
      yield event;
      if (isTerminalEvent(event.event)) return;
    }
  }

  #untilPushed(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        this.#wake = null;
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#wake = wake;
      signal?.addEventListener('abort', wake, { once: true });
    });
  }
}
