/** Aborts its target after a period of silence. Its timer keeps the process alive until it is stopped. */
export interface Watchdog {
  /** Watches `target` from now on, in place of the previous one. */
  watch(target: AbortController): void;
  refresh(): void;
  stop(): void;
}

export function createWatchdog(silenceMs: number): Watchdog {
  let target: AbortController | null = null;
  const timer = setInterval(() => {
    target?.abort(new Error(`no byte for ${silenceMs} ms`));
    target = null;
  }, silenceMs);
  return {
    watch(next) {
      target = next;
      timer.refresh();
    },
    refresh() {
      timer.refresh();
    },
    stop() {
      target = null;
      clearInterval(timer);
    },
  };
}
