/** Does the next piece of work; false when there is none left. */
export type Step = () => boolean;

/** Runs long passes over many readers in slices, one per turn of the event loop, so that no pass stops the loop for long. */
export interface FanOut {
  /** Starts in a later turn, so that everything published in this one goes out together. Passes take turns. */
  run(step: Step): void;
}

export function createFanOut(sliceSize: number): FanOut {
  const passes: Step[] = [];
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    isScheduled = false;
    // The end of a pass counts as a step too: a thousand channels with one reader each must not share one turn.
    for (let left = sliceSize; left > 0; left -= 1) {
      const pass = passes[0];
      if (pass === undefined) return;
      if (!pass()) passes.shift();
    }
    const unfinished = passes.shift();
    if (unfinished === undefined) return;
    passes.push(unfinished);
    schedule();
  }

  return {
    run(step) {
      passes.push(step);
      schedule();
    },
  };
}
