import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Part, RangePlan } from '../../src/attempt/range-plan.ts';
import { addSpan, bytesOf, frontierOf, gapsOf, removeSpan, type Span } from '../../src/partial/spans.ts';

const MiB = 2 ** 20;
const size = 64 * MiB;
const anySpan = fc.tuple(fc.nat(1_000), fc.nat(1_000)).map(([a, b]): Span => [Math.min(a, b), Math.max(a, b)]);

describe('a list of spans', () => {
  test('holds exactly what was added and not removed, sorted and disjoint', () => {
    const step = fc.record({ span: anySpan, isAdded: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const bytes = new Uint8Array(1_000);
        let spans: readonly Span[] = [];
        for (const { span, isAdded } of steps) {
          spans = isAdded ? addSpan(spans, span) : removeSpan(spans, span);
          bytes.fill(isAdded ? 1 : 0, ...span);
        }
        const held = new Uint8Array(1_000);
        for (const span of spans) held.fill(1, ...span);
        expect(held).toEqual(bytes);
        expect(spans.flat()).toEqual([...new Set(spans.flat())].sort((a, b) => a - b));
        expect(bytesOf(spans) + bytesOf(gapsOf(spans, 1_000))).toBe(1_000);
        const firstHole = bytes.indexOf(0);
        expect(frontierOf(spans)).toBe(firstHole === -1 ? 1_000 : firstHole);
      }),
    );
  });
});

test('an empty span adds and removes nothing, wherever it is', () => {
  expect(addSpan([[0, 660]], [659, 659])).toEqual([[0, 660]]);
  expect(removeSpan([[0, 660]], [659, 659])).toEqual([[0, 660]]);
});

describe('a plan', () => {
  /** What connections may do, in any order. */
  const action = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), bytes: fc.integer({ min: MiB, max: 16 * MiB }) }),
    fc.record({
      kind: fc.constant('fetch' as const),
      which: fc.nat(),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    fc.record({ kind: fc.constant('extend' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('split' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('fail' as const), which: fc.nat() }),
  );
  const found = fc
    .array(fc.tuple(fc.nat(63), fc.nat(8)), { maxLength: 4 })
    .map((list) =>
      list.reduce(
        (spans, [at, length]) => addSpan(spans, [at * MiB, Math.min(at + length, 64) * MiB]),
        [] as readonly Span[],
      ),
    );

  test('hands out every missing byte once, whatever the connections do, and is done when all have arrived', () => {
    fc.assert(
      fc.property(found, fc.array(action, { maxLength: 60 }), (there, actions) => {
        const plan = new RangePlan(there, size);
        let written = there;
        const open: { part: Part; start: number }[] = [];
        const close = (which: number) => {
          const [one] = open.splice(which % open.length, 1);
          if (one === undefined) return;
          plan.release(one.part, one.part.position);
        };
        const fetch = (one: { part: Part } | undefined, share: number) => {
          if (one === undefined) return;
          const { part } = one;
          const to = part.position + Math.floor((part.end - part.position) * share);
          // A byte that comes twice would be one that two connections were given.
          expect(bytesOf(gapsOf(written, size))).toBe(
            bytesOf(gapsOf(addSpan(written, [part.position, to]), size)) + to - part.position,
          );
          written = addSpan(written, [part.position, to]);
          part.position = to;
        };
        const take = (part: Part | null) => {
          if (part !== null) open.push({ part, start: part.position });
        };
        for (const one of actions) {
          if (one.kind === 'take') take(plan.claim(one.bytes));
          else if (open.length === 0) continue;
          else if (one.kind === 'fail') close(one.which);
          else {
            const target = open[one.which % open.length];
            if (target === undefined) continue;
            if (one.kind === 'fetch') fetch(target, one.share);
            else if (one.kind === 'extend') plan.extend(target.part, 8 * MiB);
            else take(plan.split(target.part));
          }
        }
        while (open.length > 0) close(0);
        for (let part = plan.claim(16 * MiB); part !== null; part = plan.claim(16 * MiB)) {
          expect(plan.isDone).toBe(false);
          fetch({ part }, 1);
          plan.release(part, part.position);
        }
        expect(plan.isDone).toBe(true);
        expect(written).toEqual([[0, size]]);
      }),
      { numRuns: 300 },
    );
  });

  /** Bytes come before they are on disk, a size may become known on the way, and what fails gives back what is not on disk. */
  const late = fc.oneof(
    fc.record({ kind: fc.constant('take' as const), bytes: fc.integer({ min: 1, max: 16 * MiB }) }),
    fc.record({ kind: fc.constant('come' as const), which: fc.nat(), bytes: fc.nat(8 * MiB) }),
    fc.record({ kind: fc.constant('write' as const), which: fc.nat(), bytes: fc.nat(8 * MiB) }),
    fc.record({ kind: fc.constant('extend' as const), which: fc.nat(), bytes: fc.integer({ min: 1, max: 16 * MiB }) }),
    fc.record({ kind: fc.constant('split' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('give back' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('size' as const) }),
  );

  test('has every byte in one place after every step: on disk, in one part, or unclaimed', () => {
    const any = fc.record({
      there: found,
      steps: fc.array(late, { maxLength: 80 }),
      isKnown: fc.boolean(),
      size: fc.integer({ min: 0, max: 64 * MiB }),
    });
    fc.assert(
      fc.property(any, ({ there, steps, isKnown: isKnownAtFirst, size: length }) => {
        let written = removeSpan(there, [length, size]);
        let isKnown = isKnownAtFirst;
        const plan = new RangePlan(written, isKnown ? length : null);
        const open: { part: Part; written: number }[] = [];
        const expectWhole = () => {
          if (!isKnown) return;
          const claimed = open.map(({ part, written: from }): Span => [from, part.end]);
          const apart = claimed.reduce(addSpan, written);
          const bytes = claimed.reduce((sum, [start, end]) => sum + Math.max(0, end - start), 0);
          expect(bytesOf(apart)).toBe(bytesOf(written) + bytes);
          expect(bytesOf(apart) + plan.unclaimedBytes).toBe(length);
          expect(plan.openEnd === null).toBe(plan.unclaimedBytes === 0);
        };
        const add = (part: Part | null) => {
          if (part !== null) open.push({ part, written: part.position });
        };
        const release = (which: number) => {
          const [one] = open.splice(which % open.length, 1);
          if (one !== undefined) plan.release(one.part, one.written);
        };
        for (const one of steps) {
          if (one.kind === 'take') add(plan.claim(one.bytes));
          else if (one.kind === 'size') {
            if (isKnown) continue;
            isKnown = true;
            plan.endAt(length);
          } else if (open.length === 0) continue;
          else if (one.kind === 'give back') release(one.which);
          else {
            const target = open[one.which % open.length];
            if (target === undefined) continue;
            const { part } = target;
            if (one.kind === 'come') {
              part.position = Math.max(part.position, Math.min(part.position + one.bytes, part.end, length));
            } else if (one.kind === 'write') {
              const to = Math.min(target.written + one.bytes, part.position);
              expect(bytesOf(addSpan(written, [target.written, to]))).toBe(bytesOf(written) + to - target.written);
              written = addSpan(written, [target.written, to]);
              target.written = to;
            } else if (one.kind === 'extend') plan.extend(part, one.bytes);
            else add(plan.split(part));
          }
          expectWhole();
        }
        if (!isKnown) plan.endAt(length);
        while (open.length > 0) release(0);
        for (let part = plan.claim(16 * MiB); part !== null; part = plan.claim(16 * MiB)) {
          expect(bytesOf(addSpan(written, [part.position, part.end]))).toBe(
            bytesOf(written) + part.end - part.position,
          );
          written = addSpan(written, [part.position, part.end]);
          plan.release(part, part.end);
        }
        expect(plan.isDone).toBe(true);
        expect(written).toEqual(length === 0 ? [] : [[0, length]]);
      }),
      { numRuns: 400 },
    );
  });

  test('hands out from the front, and knows how far a single request may go', () => {
    const plan = new RangePlan([[10 * MiB, 20 * MiB]], size);
    expect(plan.openEnd).toBe(10 * MiB);
    expect(plan.claim(8 * MiB)).toEqual({ position: 0, end: 8 * MiB });
    expect(plan.claim(8 * MiB)).toEqual({ position: 8 * MiB, end: 10 * MiB });
    expect(plan.openEnd).toBe(size);
    expect(plan.claim(8 * MiB)).toEqual({ position: 20 * MiB, end: 28 * MiB });
  });

  test('without a size has no end until the size is known', () => {
    const plan = new RangePlan([], null);
    const part = plan.claim(Number.POSITIVE_INFINITY);
    expect(part).toEqual({ position: 0, end: Number.POSITIVE_INFINITY });
    if (part === null) return;
    expect(plan.split(part)).toBeNull();
    plan.endAt(5);
    expect(part.end).toBe(5);
    plan.release(part, 5);
    expect(plan.isDone).toBe(true);
  });

  test('splits no part into pieces too small for a request', () => {
    const plan = new RangePlan([], 512 * 2 ** 10 - 1);
    const part = plan.claim(size);
    expect(part === null ? null : plan.split(part)).toBeNull();
  });
});
