import { EventSource, type ReaderLike } from 'eventsource';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeComment, encodeFrame, encodeRetry, joinFrames, type SseEvent, spliceFields } from '../src/frame.ts';
import { parseEvents } from './support/parse-events.ts';

const fieldText = fc.string({ unit: 'grapheme' }).filter((text) => !/[\r\n\0]/.test(text) && text.isWellFormed());
const eventText = fc.string({ unit: fc.constantFrom('a', ':', ' ', '\n', '\r', 'é', '🦙', '"', '{') });
const anyEvent: fc.Arbitrary<SseEvent> = fc.record({
  event: fc.option(fc.constantFrom('progress', 'notice', 'complete', 'with space', ' lead'), { nil: undefined }),
  data: fc.oneof(eventText, fieldText),
  id: fc.stringMatching(/^[a-z0-9]{1,8}\.[0-9]{1,6}$/),
});
const withPlainLines = (event: SseEvent) => ({ ...event, data: event.data.replaceAll(/\r\n|\r/g, '\n') });

describe('a frame', () => {
  it('is read back as the same event, whatever its data', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const parsed = parseEvents(encodeFrame(event).plain.toString());
        expect(parsed).toEqual({ events: [withPlainLines(event)], comments: [], retries: [], rest: '' });
      }),
    );
  });

  it('is exactly one HTTP chunk around its text, in the same memory', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const { chunked, plain } = encodeFrame(event);
        const head = `${plain.length.toString(16)}\r\n`;
        expect(chunked.toString('latin1')).toBe(`${head}${plain.toString('latin1')}\r\n`);
        expect(plain.buffer).toBe(chunked.buffer);
        expect(plain.byteOffset).toBe(chunked.byteOffset + head.length);
      }),
    );
  });

  it('is read by EventSource however the bytes are cut into packets', async () => {
    const cuts = fc.array(fc.nat(), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(anyEvent, { minLength: 1, maxLength: 5 }), cuts, async (events, places) => {
        const bytes = joinFrames(events.map(encodeFrame)).plain;
        const received = await readWithEventSource(cut(bytes, places), events);
        expect(received).toEqual(events.map(withPlainLines));
      }),
      { numRuns: 60 },
    );
  });

  it.each(['\r', '\n', '\0', 'a\nb', 'a\r\nid: 7'])('rejects %j in its id and its name', (text) => {
    expect(() => encodeFrame({ id: text, data: 'x' })).toThrow('must not hold');
    expect(() => encodeFrame({ id: 'a.1', event: text, data: 'x' })).toThrow('must not hold');
    expect(() => encodeComment(text)).toThrow('must not hold');
  });

  it('cannot be forged from data', () => {
    const frame = encodeFrame({ id: 'a.1', data: 'x\n\nid: a.9\nevent: complete\rdata: y\r\n\r\nretry: 1' });
    const parsed = parseEvents(frame.plain.toString());
    expect(parsed.retries).toEqual([]);
    expect(parsed.events).toHaveLength(1);
    expect(parsed.events[0]).toMatchObject({ id: 'a.1', event: undefined });
  });
});

describe('comments, retries and joined frames', () => {
  it('a comment and a retry are no events', () => {
    const text = encodeComment('keep-alive').plain.toString() + encodeRetry(1500).plain.toString();
    expect(parseEvents(text)).toEqual({ events: [], comments: ['keep-alive'], retries: [1500], rest: '' });
  });

  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('rejects a retry of %d', (value) => {
    expect(() => encodeRetry(value)).toThrow('whole number');
  });

  it('joining makes one chunk of all texts in order, with the last id', () => {
    const frames = ['1', '2', '3'].map((n) => encodeFrame({ id: `a.${n}`, data: n.repeat(40) }));
    const joined = joinFrames(frames);
    expect(joined.id).toBe('a.3');
    expect(joined.plain.toString()).toBe(frames.map((frame) => frame.plain.toString()).join(''));
    expect(joined.chunked.toString()).toBe(`${joined.plain.length.toString(16)}\r\n${joined.plain.toString()}\r\n`);
  });

  it('joining one frame copies nothing, and there is no frame of nothing', () => {
    const frame = encodeFrame({ id: 'a.1', data: 'x' });
    expect(joinFrames([frame])).toBe(frame);
    expect(() => joinFrames([])).toThrow('no frame');
  });
});

describe('splicing fields', () => {
  it('adds them before the rest and leaves the rest as it is', () => {
    expect(spliceFields('{"a":1}', '"x":"y"')).toBe('{"x":"y","a":1}');
    expect(spliceFields('{}', '"x":"y"')).toBe('{"x":"y"}');
    expect(spliceFields('{ \n}', '"x":"y"')).toBe('{"x":"y" \n}');
    expect(spliceFields('{"a":1}', '')).toBe('{"a":1}');
  });

  it('gives the object that spreading would give', () => {
    const object = fc.dictionary(
      fc.string().filter((key) => key !== 'hive_id' && key !== '__proto__'),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(object, fc.string(), (rest, hive) => {
        const spliced = spliceFields(JSON.stringify(rest), `"hive_id":${JSON.stringify(hive)}`);
        expect(JSON.parse(spliced)).toEqual(JSON.parse(JSON.stringify({ hive_id: hive, ...rest })));
      }),
    );
  });

  it.each(['[1]', 'null', '', ' {"a":1}', '"{}"'])('rejects %j', (json) => {
    expect(() => spliceFields(json, '"x":1')).toThrow('JSON object');
  });
});

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const offsets = [...new Set(places.map((place) => place % bytes.length))].sort((a, b) => a - b);
  return [0, ...offsets].map((offset, index) => bytes.subarray(offset, offsets[index] ?? bytes.length));
}

function readWithEventSource(packets: readonly Buffer[], expected: readonly SseEvent[]): Promise<SseEvent[]> {
  const received: SseEvent[] = [];
  const left = packets.filter((packet) => packet.length > 0).values();
  return new Promise((resolve) => {
    const reader: ReaderLike = {
      async read() {
        const next = left.next();
        if (next.done !== true) return { done: false, value: next.value };
        source.close();
        resolve(received);
        return { done: true };
      },
      cancel: async () => {},
    };
    const headers = { get: () => 'text/event-stream' };
    const body = { getReader: () => reader };
    const source = new EventSource('http://localhost/', {
      fetch: async () => ({ body, url: '', status: 200, redirected: false, headers }),
    });
    for (const name of new Set(expected.map((event) => event.event ?? 'message'))) {
      source.addEventListener(name, (event: Event) => {
        if (!(event instanceof MessageEvent)) return;
        const named = name === 'message' ? undefined : name;
        received.push({ event: named, data: String(event.data), id: event.lastEventId });
      });
    }
  });
}
