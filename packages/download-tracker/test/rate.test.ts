import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { etaSeconds, type Rate, sampleRate, speedOf, startRate } from '../src/rate.ts';

/** Samples `bytesPerStep` bytes each `stepMs`, `steps` times. */
function flow(rate: Rate, bytesPerStep: number, stepMs: number, steps: number): Rate {
  let next = rate;
  for (let step = 0; step < steps; step += 1) {
    next = sampleRate(next, next.received + bytesPerStep, next.sampledAtMs + stepMs);
  }
  return next;
}

describe('speed', () => {
  it('is 0 until four samples exist', () => {
    const start = startRate(0, 0);
    expect([1, 2, 3, 4].map((steps) => speedOf(flow(start, 1_000, 1_000, steps)))).toEqual([0, 0, 0, 1_000]);
  });

  it('gives a new second 30 percent of the weight', () => {
    const steady = flow(startRate(0, 0), 1_000, 1_000, 10);
    const doubled = flow(steady, 2_000, 1_000, 1);
    const again = flow(doubled, 2_000, 1_000, 1);
    expect(speedOf(doubled)).toBe(Math.round(0.3 * 2_000 + 0.7 * 1_000));
    expect(speedOf(again)).toBe(Math.round(0.3 * 2_000 + 0.7 * 1_300));
  });

  it('weighs a sample by the time it covers: four quarters of a second are one second', () => {
    const steady = flow(startRate(0, 0), 1_000, 1_000, 10);
    const whole = flow(steady, 3_000, 1_000, 1);
    const quarters = flow(steady, 750, 250, 4);
    expect(speedOf(quarters)).toBe(speedOf(whole));
  });

  it('falls while nothing comes, and is 0 after five seconds', () => {
    let rate = flow(startRate(0, 0), 1_000, 1_000, 10);
    const speeds: number[] = [];
    for (let second = 0; second < 6; second += 1) {
      rate = sampleRate(rate, rate.received, rate.sampledAtMs + 1_000);
      speeds.push(speedOf(rate));
    }
    expect(speeds).toEqual([700, 490, 343, 240, 0, 0]);
  });

  it('does not count what was there before', () => {
    expect(speedOf(flow(startRate(5_000_000_000, 0), 100, 1_000, 6))).toBe(100);
  });

  it('takes no sample from no time', () => {
    const rate = flow(startRate(0, 100_000), 1_000, 1_000, 5);
    expect(sampleRate(rate, 9_999, rate.sampledAtMs)).toBe(rate);
  });

  it('is never negative, nor more than the fastest sample', () => {
    const step = fc.record({ bytes: fc.nat(1e9), ms: fc.integer({ min: 1, max: 10_000 }) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 50 }), (steps) => {
        let rate = startRate(0, 0);
        let fastest = 0;
        for (const { bytes, ms } of steps) {
          rate = sampleRate(rate, rate.received + bytes, rate.sampledAtMs + ms);
          fastest = Math.max(fastest, (bytes * 1000) / ms);
        }
        expect(rate.bytesPerSecond).toBeGreaterThanOrEqual(0);
        expect(rate.bytesPerSecond).toBeLessThanOrEqual(fastest * (1 + 1e-9));
      }),
    );
  });
});

describe('eta and percent', () => {
  it.each([
    [0, 1_000, 100, 10],
    [950, 1_000, 100, 1],
    [1_000, 1_000, 100, 0],
    [500, 1_000, 0, null],
    [500, null, 100, null],
  ])('%s of %s at %s B/s is %s s', (bytes, total, speed, eta) => {
    expect(etaSeconds(bytes, total, speed)).toBe(eta);
  });
});
