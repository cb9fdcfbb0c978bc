import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFanOut, passOver } from '../../src/publish/fan-out.ts';
import { turns } from '../support/wait-for.ts';

/** A pass over `readers` readers that counts them. */
function pass(readers: number) {
  const counted = { served: 0, isDone: false };
  const serve = (room: number) => {
    const served = Math.min(room, readers - counted.served);
    counted.served += served;
    counted.isDone = served < room;
    return served;
  };
  return { counted, serve };
}

describe('fan-out', () => {
  it('starts in a later turn and does no more than a slice in each', async () => {
    const fanOut = createFanOut(10);
    const { counted, serve } = pass(25);
    fanOut.run(serve);
    const seen = [counted.served];
    for (let turn = 0; turn < 4; turn += 1) {
      await turns();
      seen.push(counted.served);
    }
    expect(seen).toEqual([0, 10, 20, 25, 25]);
    expect(counted.isDone).toBe(true);
  });

  it('counts the end of a pass, so that many short ones are spread as well', async () => {
    const fanOut = createFanOut(10);
    const passes = Array.from({ length: 20 }, () => pass(1));
    for (const { serve } of passes) fanOut.run(serve);
    await turns();
    expect(passes.filter(({ counted }) => counted.isDone)).toHaveLength(5);
    await turns(3);
    expect(passes.every(({ counted }) => counted.isDone)).toBe(true);
  });

  it('lets long passes take turns', async () => {
    const fanOut = createFanOut(10);
    const [one, two] = [pass(30), pass(30)];
    fanOut.run(one.serve);
    fanOut.run(two.serve);
    await turns(2);
    expect([one.counted.served, two.counted.served]).toEqual([10, 10]);
  });

  it('takes a pass that is started by the end of another', async () => {
    const fanOut = createFanOut(10);
    const second = pass(3);
    fanOut.run(() => {
      fanOut.run(second.serve);
      return 0;
    });
    await turns(2);
    expect(second.counted.isDone).toBe(true);
  });
  it('visits each item of a list once, however the room is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 50 }), fc.integer({ min: 1, max: 7 }), (items, room) => {
        const visited: number[] = [];
        const overItems = passOver(items, (item) => visited.push(item));
        for (let served = room; served === room; ) {
          served = overItems(room);
          expect(served).toBeLessThanOrEqual(room);
        }
        expect(visited).toEqual(items);
      }),
    );
  });
});
