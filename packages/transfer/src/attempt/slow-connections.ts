import type { Connection } from './connection.ts';
import type { Part } from './range-plan.ts';

/** Connections are judged by what all of them did in the same time, this long. */
const windowMs = 3_000;
/** And by the end of it: when all stand still alike, none is slow. */
const recentMs = 1_000;
const sampleMs = 500;
/** A connection below this share of the median of the others is dropped. */
const slowShare = 0.1;
/** After this many drops, dropping more will not help. */
const maxDrops = 16;
/** A rest that takes less than this is not worth another connection. */
const minRestMs = 1_000;

/** What each connection had received at one moment. */
interface Sample {
  readonly atMs: number;
  readonly bytes: ReadonlyMap<Connection, number>;
}

/** Drops connections that are far slower than the others. */
export class SlowConnections {
  readonly #now: () => number;
  #drops = 0;
  /** The yardstick if there are no others: the speed of the last part that was fetched to its end. Good for one drop. */
  #usual: number | null = null;
  /** Oldest first; no more than the window needs. */
  #samples: Sample[] = [];

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The connection fetched a part to its end. */
  learn(connection: Connection): void {
    this.#usual = connection.speed ?? this.#usual;
  }

  /**
   * Drops one connection that is far below the median of the others; null if there is none.
   * @param isHeldBack by the bandwidth limit: all are slow then, above all compared with what they did before it was set
   */
  drop(connections: ReadonlySet<Connection>, isHeldBack: boolean): Connection | null {
    if (isHeldBack) this.#samples = [];
    if (!this.#sample(connections) || this.#drops >= maxDrops) return null;
    const running = [...connections].filter(({ isDropped }) => !isDropped);
    for (const connection of running) {
      const others = running.filter((other) => other !== connection);
      if (!this.#isSlow(connection, others, windowMs) || !this.#isSlow(connection, others, recentMs)) continue;
      if (others.length === 0) this.#usual = null;
      this.#drops += 1;
      connection.drop();
      return connection;
    }
    return null;
  }

  /** False until it is time for the next sample. */
  #sample(connections: ReadonlySet<Connection>): boolean {
    const atMs = this.#now();
    const newest = this.#samples.at(-1);
    if (newest !== undefined && atMs - newest.atMs < sampleMs) return false;
    const bytes = new Map([...connections].map((connection) => [connection, connection.totalBytes]));
    this.#samples.push({ atMs, bytes });
    while ((this.#samples[1]?.atMs ?? atMs) <= atMs - windowMs) this.#samples.shift();
    return true;
  }

  #isSlow(connection: Connection, others: readonly Connection[], overMs: number): boolean {
    const end = this.#samples.at(-1);
    const begin = this.#samples.findLast(({ atMs }) => end !== undefined && end.atMs - atMs >= overMs);
    if (begin === undefined || end === undefined || connection.requestedAtMs > begin.atMs) return false;
    const speedOf = (one: Connection): number | null => {
      const before = begin.bytes.get(one);
      return before === undefined ? null : (one.totalBytes - before) / (end.atMs - begin.atMs);
    };
    const speed = speedOf(connection);
    const yardstick = medianOf(others.map(speedOf).filter((one) => one !== null)) ?? this.#usual;
    return speed !== null && yardstick !== null && speed < yardstick * slowShare;
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
