/** Calls back if nothing happened for a time. `refresh` is cheap enough for every chunk of a fast body. */
export class StallTimer {
  #timer: NodeJS.Timeout | null = null;
  #grace: NodeJS.Immediate | null = null;
  #refreshes = 0;

  start(delayMs: number, onStall: () => void): void {
    this.stop();
    const timer = setTimeout(() => {
      const seen = this.#refreshes;
      // Timers run before sockets are read: if the process itself was blocked, data that arrived meanwhile still counts.
      this.#grace = setImmediate(() => {
        this.#grace = null;
        if (this.#refreshes === seen) onStall();
      });
    }, delayMs);
    this.#timer = timer;
  }

  refresh(): void {
    this.#refreshes += 1;
    this.#timer?.refresh();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#grace !== null) clearImmediate(this.#grace);
    this.#timer = null;
    this.#grace = null;
  }
}
