import { describe, expect, it } from 'vitest';
import { createFanOut } from '../src/fan-out.ts';
import { turns } from './support/wait-for.ts';

/** A pass of `steps` steps that counts them. */
function pass(steps: number) {
  const counted = { steps: 0, isDone: false };
  const step = () => {
    if (counted.steps === steps) {
      counted.isDone = true;
      return false;
    }
    counted.steps += 1;
    return true;
  };
  return { counted, step };
}

describe('fan-out', () => {
  it('starts in a later turn and does no more than a slice in each', async () => {
    const fanOut = createFanOut(10);
    const { counted, step } = pass(25);
    fanOut.run(step);
    const seen = [counted.steps];
    for (let turn = 0; turn < 4; turn += 1) {
      await turns();
      seen.push(counted.steps);
    }
    expect(seen).toEqual([0, 10, 20, 25, 25]);
    expect(counted.isDone).toBe(true);
  });

  it('counts the end of a pass, so that many short ones are spread as well', async () => {
    const fanOut = createFanOut(10);
    const passes = Array.from({ length: 20 }, () => pass(1));
    for (const { step } of passes) fanOut.run(step);
    await turns();
    expect(passes.filter(({ counted }) => counted.isDone)).toHaveLength(5);
    await turns(3);
    expect(passes.every(({ counted }) => counted.isDone)).toBe(true);
  });

  it('lets long passes take turns', async () => {
    const fanOut = createFanOut(10);
    const [one, two] = [pass(30), pass(30)];
    fanOut.run(one.step);
    fanOut.run(two.step);
    await turns(2);
    expect([one.counted.steps, two.counted.steps]).toEqual([10, 10]);
  });

  it('takes a pass that is started by the end of another', async () => {
    const fanOut = createFanOut(10);
    const second = pass(3);
    fanOut.run(() => {
      fanOut.run(second.step);
      return false;
    });
    await turns(2);
    expect(second.counted.isDone).toBe(true);
  });
});
