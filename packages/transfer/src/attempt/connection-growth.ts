/** Speeds are measured over at least this long; the very first measurement, over a connection that has just begun, is discarded. */
const windowMs = 100;
const warmUpMs = 20;
/** At the start this is enough to see whether a connection is slow, and whether a large step brings the expected multiple. */
const firstWindowMs = 45;
/** Additional connections stay if the total gets at least this much faster; less is noise. */
const minGain = 1.2;
/** If each brought nearly as much as those before, the next step is a larger one. */
const fullGain = 1.7;
/** Below this share of the ideal gain, some of the connections bring nothing. */
const usefulShare = 0.6;
const STEP = 2;
const LARGE_STEP = 4;
/** Bytes per millisecond. Connections this slow are held back by latency or a limit per connection, which others do not share. */
const slowEach = 64_000;
/** At this speed the machine itself is the limit and another connection only costs; at the second one too, if this thread is busy. */
const fastAll = 300_000;
const fastBusy = 100_000;
const busyShare = 0.75;
/** The peak decays over some windows: a pause of the disk does not make a link slow. */
const peakDecay = 0.9;
/** A trial has this long to show a gain: one window may coincide with a pause elsewhere. */
const trialMs = 300;
/** After a trial that did not help the next one waits, longer every time. */
const firstRestMs = 1_000;
const maxRestMs = 30_000;

/** An observation. */
export interface GrowthSample {
  readonly nowMs: number;
  /** Received so far, over all connections. */
  readonly bytes: number;
  /** Milliseconds so far in which this thread was busy. */
  readonly busyMs: number;
  /** Running connections, and whether all of them have received something. */
  readonly connections: number;
  readonly isSettled: boolean;
  /** Enough is left to try more connections. If false, only a running trial is judged. */
  readonly mayTry: boolean;
}

/** One window. */
interface Measured extends Pick<GrowthSample, 'nowMs' | 'connections' | 'mayTry'> {
  /** Bytes per millisecond. */
  readonly speed: number;
  readonly elapsedMs: number;
}

/**
 * How many connections are worth having: starts with one if nothing is known, tries twice as many, and keeps them if the total gets faster.
 * Pure: observations go in, a number comes out.
 */
export class ConnectionGrowth {
  #max: number;
  #wanted: number;
  /** The start of the running measurement. */
  #from: Omit<GrowthSample, 'isSettled' | 'mayTry'> | null = null;
  #trial: { readonly before: number; readonly speed: number; readonly measuredMs: number } | null = null;
  #isWarm = false;
  #peak = 0;
  #restMs = firstRestMs;
  #restUntilMs = 0;

  /** `first`: how many a previous file made good use of. */
  constructor(max: number, first = 1) {
    this.#max = max;
    this.#wanted = first;
  }

  get wanted(): number {
    return Math.min(this.#wanted, this.#max);
  }

  /** How many are known to help, without a running trial. */
  get proven(): number {
    return Math.min(this.#trial?.before ?? this.#wanted, this.#max);
  }

  /** Lowers the maximum for good. */
  limit(max: number): void {
    this.#max = Math.max(1, Math.min(this.#max, max));
    this.#wanted = this.wanted;
    this.#trial = null;
    this.#from = null;
  }

  observe({ isSettled, mayTry, ...seen }: GrowthSample): void {
    const from = this.#from;
    const { nowMs, connections } = seen;
    // A measurement counts only if the number of connections did not change during it.
    if (!isSettled || from?.connections !== connections) {
      this.#from = isSettled ? seen : null;
      return;
    }
    const elapsedMs = nowMs - from.nowMs;
    if (elapsedMs < this.#windowMs) return;
    this.#from = seen;
    const isFirst = !this.#isWarm;
    this.#isWarm = true;
    if (isFirst) return;
    const speed = (seen.bytes - from.bytes) / elapsedMs;
    this.#peak = Math.max(speed, this.#peak * peakDecay);
    const isBusy = (seen.busyMs - from.busyMs) / elapsedMs >= busyShare;
    const isAtLimit = this.#peak >= (isBusy ? fastBusy : fastAll);
    this.#decide({ speed, elapsedMs, nowMs, connections, mayTry: mayTry && !isAtLimit });
  }

  get #windowMs(): number {
    if (!this.#isWarm) return warmUpMs;
    const isLargeStep = this.#trial !== null && this.#wanted > this.#trial.before * STEP;
    const isFirst = this.#restUntilMs === 0 && (this.#peak === 0 || isLargeStep);
    return isFirst ? firstWindowMs : windowMs;
  }

  #decide({ speed, elapsedMs, nowMs, connections, mayTry }: Measured): void {
    const trial = this.#trial;
    // The budget had no connection left: nothing was tried, so no trial has failed.
    if (connections <= (trial?.before ?? this.wanted - 1)) {
      if (connections === trial?.before) this.#trial = { ...trial, speed };
      return;
    }
    let step = speed < connections * slowEach ? LARGE_STEP : STEP;
    if (trial !== null) {
      const gain = speed / trial.speed;
      // After a large step that helped in part, only as many stay as the gain accounts for.
      const isUseful = gain >= minGain && gain >= usefulShare * (connections / trial.before);
      const measuredMs = trial.measuredMs + elapsedMs;
      if (!isUseful && measuredMs < trialMs) {
        this.#trial = { ...trial, measuredMs };
        return;
      }
      this.#trial = null;
      if (!isUseful) {
        this.#wanted = gain >= minGain ? Math.ceil(trial.before * gain) : trial.before;
        this.#restUntilMs = nowMs + this.#restMs;
        this.#restMs = Math.min(this.#restMs * 2, maxRestMs);
        return;
      }
      this.#restMs = firstRestMs;
      if (gain >= fullGain) step = LARGE_STEP;
    }
    if (speed === 0 || !mayTry || nowMs < this.#restUntilMs || connections >= this.#max) return;
    this.#trial = { before: connections, speed, measuredMs: 0 };
    this.#wanted = Math.min(this.#max, connections * step);
  }
}
