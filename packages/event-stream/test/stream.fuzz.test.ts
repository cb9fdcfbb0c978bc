import { hostileText } from '@rbee/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBodyReader, type StreamBody } from '../src/follow/body-reader.ts';
import { createEventLimit } from '../src/follow/event-limit.ts';
import { createRetryLines } from '../src/follow/retry-lines.ts';
import { encodeFrame, spliceFields } from '../src/frame.ts';
import { createStreamHub } from '../src/publish/stream-hub.ts';
import { createMemorySink } from './support/memory-sink.ts';
import { parseEvents } from './support/parse-events.ts';

const LINES = [
  'data: ',
  'event: ',
  'id: ',
  'retry: ',
  '1.1',
  ':',
  '\n',
  '\r',
  '\r\n',
  '\n\n',
  '\0',
  '\ufeff',
  '12',
  '{"a":1}',
  'é',
] as const;
const stream = hostileText(LINES).map((text) => Buffer.from(text));
/** Bytes cut into pieces anywhere, also within a character. */
const pieces = fc.tuple(stream, fc.array(fc.nat(200), { maxLength: 8 })).map(([bytes, cuts]) => {
  const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
});

describe('what a follower reads', () => {
  it('ends once, at the latest with the bytes, and is not larger than it may be', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 60 }), async (chunks, maxEventChars) => {
        const ends: string[] = [];
        const watcher = {
          maxEventChars,
          onActivity: () => undefined,
          onEnd: ({ reason }: { reason: string }) => void ends.push(reason),
        };
        const reader = createBodyReader(bodyOf(chunks), watcher);
        let length = 0;
        for (let step = 0; ; step += 1) {
          expect(step).toBeLessThanOrEqual(chunks.length + 2);
          const { done, value } = await reader.read();
          if (done) break;
          length += Buffer.from((value ?? '') as Uint8Array).length;
        }
        expect(ends).toHaveLength(1);
        expect(length).toBeLessThanOrEqual(Buffer.concat(chunks).length + '\nretry: 0\n'.length);
      }),
    );
  });

  it('has no retry line left in it, and as many bytes as before', () => {
    fc.assert(
      fc.property(pieces, (chunks) => {
        const lines = createRetryLines();
        const out = Buffer.concat(chunks.map((chunk) => lines.strip(chunk)));
        expect(out.length).toBe(Buffer.concat(chunks).length);
        expect(out.toString('latin1')).not.toMatch(/(?:^|[\r\n])retry/);
        const { farewellMs } = lines;
        expect(farewellMs === null || farewellMs >= 0).toBe(true);
      }),
    );
  });

  it('keeps a limit on events that does not depend on how the bytes are cut', () => {
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 60 }), (chunks, max) => {
        const whole = createEventLimit(max).within(Buffer.concat(chunks));
        const limit = createEventLimit(max);
        let within = 0;
        for (const chunk of chunks) {
          const taken = limit.within(chunk);
          within += taken;
          if (taken < chunk.length) break;
        }
        expect(within).toBe(whole);
      }),
    );
  });
});

describe('what a daemon reads and writes', () => {
  it('is one event with the very data, or rejected: no text can end an event or start another', () => {
    const part = hostileText(LINES);
    fc.assert(
      fc.property(part, part, part, (id, event, data) => {
        const isRefused = /[\r\n\0]/.test(id + event);
        if (isRefused) return void expect(() => encodeFrame({ event, data, id })).toThrow(/must not hold/);
        const { events, rest } = parseEvents(encodeFrame({ event, data, id }).plain.toString());
        expect(rest).toBe('');
        expect(events.map((each) => each.data)).toEqual([data.replaceAll(/\r\n?/g, '\n').toWellFormed()]);
      }),
    );
  });

  it('fields that a queen adds leave an object an object', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.string(), (object, added) => {
        const data = JSON.stringify(object);
        const spliced: unknown = JSON.parse(spliceFields(data, `"a hive":${JSON.stringify(added)}`));
        expect(spliced).toEqual({ 'a hive': added, ...(JSON.parse(data) as object) });
      }),
    );
  });

  it('any Last-Event-ID is a position in the history, or none: every reader gets the newest events, and any gap', () => {
    const gapEvent = (missed: number) => ({ event: 'gap', data: `${missed}` });
    const channel = createStreamHub().channel({ mode: 'log', epoch: 'e1', historyLimit: 5, gapEvent });
    for (let n = 1; n <= 12; n += 1) channel.publish({ data: `${n}` }, 'keep');
    fc.assert(
      fc.property(hostileText(['e1', '.', '1', '9', '0', '-', '999999999999999', 'e2', ' ', '%', 'Infinity']), (id) => {
        const sink = createMemorySink();
        channel.attach(sink, id);
        const events = sink.events();
        const kept = events.filter(({ event }) => event !== 'gap').map(({ data }) => Number(data));
        expect([8, 9, 10, 11, 12].slice(5 - kept.length)).toEqual(kept);
        for (const { data } of events.slice(0, events.length - kept.length)) expect(Number(data)).toBeGreaterThan(0);
        sink.close();
      }),
    );
  });
});

function bodyOf(chunks: readonly Uint8Array[]): StreamBody {
  const left = [...chunks];
  const read = async () => {
    const value = left.shift();
    return value === undefined ? { done: true as const, value: undefined } : { done: false as const, value };
  };
  return {
    read,
    cancel: async () => undefined,
    closed: Promise.resolve(undefined),
    releaseLock: () => undefined,
  } as StreamBody;
}
