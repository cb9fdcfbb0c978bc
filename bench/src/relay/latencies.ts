import { msOf } from './stamp.ts';

/** How long events took from their making to their readers. */
export interface Latencies {
  add(us: number): void;
  readonly count: number;
  summary(): LatencySummary;
  clear(): void;
}

export interface LatencySummary {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const firstRoom = 1_000_000;

export function createLatencies(): Latencies {
  let values = new Float64Array(firstRoom);
  let count = 0;
  return {
    add(us) {
      if (count === values.length) {
        const larger = new Float64Array(values.length * 2);
        larger.set(values);
        values = larger;
      }
      values[count] = us;
      count += 1;
    },
    get count() {
      return count;
    },
    summary() {
      const sorted = values.slice(0, count).sort();
      const at = (share: number): number => msOf(sorted[Math.min(count - 1, Math.floor(share * count))] ?? Number.NaN);
      return { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
    },
    clear() {
      count = 0;
    },
  };
}
