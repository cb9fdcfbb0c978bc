import type { Connection } from './connection.ts';
import type { Part } from './range-plan.ts';

/** A connection is judged by what it did in windows of this length. */
const windowMs = 3_000;
/** It is far below the others with less than this share of their median. */
const slowShare = 0.1;
/** Where dropping has helped so little, it will not help any more. */
const maxDrops = 16;
/** A rest that takes less than this is not worth a further connection. */
const minRestMs = 1_000;

/** Gives up connections that are far below the others. */
export class SlowConnections {
  #drops = 0;
  /** What counts where there are no others: the speed of a part that was fetched to its end. */
  #usual: number | null = null;

  /** It has fetched a part to its end. */
  learn(connection: Connection): void {
    this.#usual = connection.speed ?? this.#usual;
  }

  /**
   * Drops one that is far below the median of the others; null where none is.
   * @param isHeldBack by a limit: all are slow then, most of all beside what they did before it was set
   */
  drop(connections: ReadonlySet<Connection>, isHeldBack: boolean): Connection | null {
    if (isHeldBack) for (const connection of connections) connection.renewWindow();
    if (this.#drops >= maxDrops) return null;
    for (const connection of connections) {
      const speed = connection.windowSpeed(windowMs);
      if (speed === null) continue;
      const others = [...connections].filter((other) => other !== connection).map((other) => other.speed);
      const median = medianOf(others.filter((other) => other !== null)) ?? this.#usual;
      if (median === null || speed >= median * slowShare) continue;
      this.#drops += 1;
      connection.drop();
      return connection;
    }
    return null;
  }
}

/** The part that will be the last to end, where it pays to split it; null where none is. */
export function longestRest(connections: ReadonlySet<Connection>): Part | null {
  let longest: Part | null = null;
  let longestMs = minRestMs;
  for (const { part, speed } of connections) {
    if (part === null || speed === null) continue;
    const restMs = (part.end - part.position) / speed;
    if (!(restMs > longestMs)) continue;
    longest = part;
    longestMs = restMs;
  }
  return longest;
}

/** As many as are wanted, the fastest; those that have just begun count as fast. */
export function fastest(connections: ReadonlySet<Connection>, count: number): readonly Connection[] {
  const bySpeed = [...connections].map((connection) => ({ connection, speed: connection.speed ?? Number.MAX_VALUE }));
  return bySpeed
    .sort((a, b) => b.speed - a.speed)
    .slice(0, count)
    .map(({ connection }) => connection);
}

function medianOf(values: readonly number[]): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? null;
}
