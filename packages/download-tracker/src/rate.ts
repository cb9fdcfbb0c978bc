/** Weight of the newest second in the average. */
const ALPHA_PER_SECOND = 0.3;
/** As in hf: fewer samples are not meaningful. */
const MIN_SAMPLES = 4;
/** After this long without a byte the speed is 0, not a fading memory. */
const IDLE_AFTER_MS = 5_000;

/** A moving average of bytes per second. Times are as `Clock.elapsed` has them. */
export interface Rate {
  readonly bytesPerSecond: number;
  readonly samples: number;
  readonly received: number;
  readonly sampledAtMs: number;
  readonly lastByteAtMs: number;
}

/** A rate that starts at `received` bytes: earlier bytes say nothing about speed. */
export function startRate(received: number, nowMs: number): Rate {
  return { bytesPerSecond: 0, samples: 0, received, sampledAtMs: nowMs, lastByteAtMs: nowMs };
}

/**
 * The rate after one more sample of the number of bytes received so far. The weight of a sample depends on the time that it
 * covers (1 - 0.7^seconds), so that late timers do not distort the average.
 */
export function sampleRate(rate: Rate, received: number, nowMs: number): Rate {
  const elapsedMs = nowMs - rate.sampledAtMs;
  if (elapsedMs <= 0) return rate;
  const arrived = Math.max(0, received - rate.received);
  const lastByteAtMs = arrived > 0 ? nowMs : rate.lastByteAtMs;
  const sampled = { samples: rate.samples + 1, received, sampledAtMs: nowMs, lastByteAtMs };
  if (nowMs - lastByteAtMs >= IDLE_AFTER_MS) return { ...sampled, bytesPerSecond: 0 };
  const instant = (arrived * 1000) / elapsedMs;
  const weight = rate.samples === 0 ? 1 : 1 - (1 - ALPHA_PER_SECOND) ** (elapsedMs / 1000);
  return { ...sampled, bytesPerSecond: weight * instant + (1 - weight) * rate.bytesPerSecond };
}

/** The rate after a time that says nothing about speed, such as a verify: the average stays. */
export function skipTo(rate: Rate, received: number, nowMs: number): Rate {
  return { ...rate, received, sampledAtMs: nowMs, lastByteAtMs: nowMs };
}

/** Whole bytes per second for the wire: 0 until four samples exist. */
export function speedOf(rate: Rate): number {
  return rate.samples < MIN_SAMPLES ? 0 : Math.round(rate.bytesPerSecond);
}

/** Whole seconds left; null while the speed is 0 or the total is unknown. */
export function etaSeconds(bytes: number, total: number | null, speedBps: number): number | null {
  if (total === null || speedBps === 0) return null;
  return Math.ceil(Math.max(0, total - bytes) / speedBps);
}
