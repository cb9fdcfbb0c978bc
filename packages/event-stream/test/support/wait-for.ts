const limitMs = 60_000;
const pauseMs = 2;

/** Resolves when `condition` holds; fails by name when it does not within a minute, or the time that is given. */
export async function waitFor(condition: () => boolean, what: string, withinMs = limitMs): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

/** Resolves after `count` turns of the event loop. */
export async function turns(count = 1): Promise<void> {
  for (let left = count; left > 0; left -= 1) await new Promise((resolve) => setImmediate(resolve));
}
