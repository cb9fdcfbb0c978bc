/** Aborts whatever it watches when no sign of life comes for a while. Its timer keeps the process alive until it is stopped. */
export interface Watchdog {
  /** Watches this from now on, in place of what it watched before. */
  watch(target: AbortController): void;
  sawLife(): void;
  stop(): void;
}

export function createWatchdog(silenceMs: number): Watchdog {
  let watched: AbortController | null = null;
  const timer = setInterval(() => {
    watched?.abort(new Error(`no byte for ${silenceMs} ms`));
    watched = null;
  }, silenceMs);
  return {
    watch(target) {
      watched = target;
      timer.refresh();
    },
    sawLife() {
      timer.refresh();
    },
    stop() {
      watched = null;
      clearInterval(timer);
    },
  };
}
