/** A speed is measured over at least this; the first of all, of a connection that has just begun, is thrown away. */
const windowMs = 100;
const warmUpMs = 20;
/** At the start this is enough to see whether a connection is slow, and whether a large step brings the multiple that it should. */
const firstWindowMs = 45;
/** Twice as many connections stay where they make the whole at least this much faster; less is in the noise. */
const minGain = 1.2;
/** Where each brought nearly as much as those before, the next step is a larger one. */
const fullGain = 1.7;
/** With less than this share of what so many more could bring, some of them bring nothing. */
const usefulShare = 0.6;
const STEP = 2;
const LARGE_STEP = 4;
/** Bytes per millisecond. Connections as slow as this are held back by a distance or a limit, which others do not share. */
const slowEach = 64_000;
/** As fast as this the machine itself is the limit, and a further connection only costs; also at the second where this thread is busy. */
const fastAll = 300_000;
const fastBusy = 100_000;
const busyShare = 0.75;
/** What was reached is held against a trial for some windows: a pause of the disk does not make a link slow. */
const peakDecay = 0.9;
/** For so long a trial may show its gain: a window may fall together with a pause of something else. */
const trialMs = 300;
/** After a trial that did not help the next one waits, longer each time. */
const firstRestMs = 1_000;
const maxRestMs = 30_000;

/** What is seen at a moment. */
export interface GrowthSample {
  readonly nowMs: number;
  /** Received so far, over all connections. */
  readonly bytes: number;
  /** Milliseconds so far in which this thread was at work. */
  readonly busyMs: number;
  /** Connections that run, and whether all of them have brought something. */
  readonly connections: number;
  readonly isSettled: boolean;
  /** Enough is left for more connections to be tried. Without it only what is being tried is judged. */
  readonly mayTry: boolean;
}

/** Of one window. */
interface Measured extends Pick<GrowthSample, 'nowMs' | 'connections' | 'mayTry'> {
  /** Bytes per millisecond. */
  readonly speed: number;
  readonly elapsedMs: number;
}

/**
 * How many connections are worth having: starts with one where nothing is known, tries twice as many, and keeps them if the whole got faster.
 * Knows nothing of connections: it is told what is seen and asked what is wanted.
 */
export class ConnectionGrowth {
  #max: number;
  #wanted: number;
  /** Where the running measurement began. */
  #from: Omit<GrowthSample, 'isSettled' | 'mayTry'> | null = null;
  #trial: { readonly before: number; readonly speed: number; readonly measuredMs: number } | null = null;
  #isWarm = false;
  #peak = 0;
  #restMs = firstRestMs;
  #restUntilMs = 0;

  /** `first`: what a file from the same source found worth having. */
  constructor(max: number, first = 1) {
    this.#max = max;
    this.#wanted = first;
  }

  get wanted(): number {
    return Math.min(this.#wanted, this.#max);
  }

  /** How many have shown that they help: what is only being tried does not count. */
  get proven(): number {
    return Math.min(this.#trial?.before ?? this.#wanted, this.#max);
  }

  /** No more than this many are to be had, from now on. */
  limit(max: number): void {
    this.#max = Math.max(1, Math.min(this.#max, max));
    this.#wanted = this.wanted;
    this.#trial = null;
    this.#from = null;
  }

  observe({ isSettled, mayTry, ...seen }: GrowthSample): void {
    const from = this.#from;
    const { nowMs, connections } = seen;
    // A measurement counts only if the same number of connections ran all the time.
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
    // Others have what is wanted: nothing can be tried, and no trial has failed.
    if (connections <= (trial?.before ?? this.wanted - 1)) {
      if (connections === trial?.before) this.#trial = { ...trial, speed };
      return;
    }
    let step = speed < connections * slowEach ? LARGE_STEP : STEP;
    if (trial !== null) {
      const gain = speed / trial.speed;
      // Of a large step only what has brought something stays, of one that brought nothing no connection.
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
