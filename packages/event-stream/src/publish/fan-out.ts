/** Serves up to `room` readers; returns how many were served. Fewer than `room` means that none are left. */
export type Pass = (room: number) => number;

/** Runs long passes over many readers in slices, one per turn of the event loop, so that no pass stops the loop for long. */
export interface FanOut {
  /** Starts in a later turn, so that everything published in this one goes out together. Passes alternate. */
  run(pass: Pass): void;
}

export function createFanOut(sliceSize: number): FanOut {
  const passes: Pass[] = [];
  let isScheduled = false;

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(turn);
  }

  function turn(): void {
    isScheduled = false;
    for (let room = sliceSize; room > 0; ) {
      const pass = passes.shift();
      if (pass === undefined) return;
      const served = pass(room);
      if (served === room) passes.push(pass);
      // The end of a pass counts too: a thousand channels with one reader each must not share one turn.
      room -= served === room ? served : served + 1;
    }
    if (passes.length > 0) schedule();
  }

  return {
    run(pass) {
      passes.push(pass);
      schedule();
    },
  };
}

/** A pass that visits each of `items` once. */
export function passOver<T>(items: readonly T[], visit: (item: T) => void): Pass {
  let next = 0;
  return (room) => {
    const first = next;
    const end = Math.min(items.length, first + room);
    for (; next < end; next += 1) {
      const item = items[next];
      if (item !== undefined) visit(item);
    }
    return next - first;
  };
}
