import type { Connection } from './connection.ts';
import type { Part } from './range-plan.ts';

/** Connections are judged by windows of this length. */
const windowMs = 3_000;
/** A connection below this share of the median of the others is dropped. */
const slowShare = 0.1;
/** After this many drops, dropping more will not help. */
const maxDrops = 16;
/** A rest that takes less than this is not worth another connection. */
const minRestMs = 1_000;

/** Drops connections that are far slower than the others. */
export class SlowConnections {
  #drops = 0;
  /** The yardstick if there are no others: the speed of the last part that was fetched to its end. */
  #usual: number | null = null;

  /** The connection fetched a part to its end. */
  learn(connection: Connection): void {
    this.#usual = connection.speed ?? this.#usual;
  }

  /**
   * Drops one connection that is far below the median of the others; null if there is none.
   * @param isHeldBack by the bandwidth limit: all are slow then, above all compared with what they did before it was set
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

/** The part that will finish last, if splitting it pays off; else null. */
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

/** The `count` fastest; connections that have just begun count as fast. */
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
