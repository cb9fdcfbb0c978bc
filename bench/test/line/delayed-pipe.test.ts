import { once } from 'node:events';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DelayedPipe } from '../../src/line/delayed-pipe.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(async () => {
  // A sink that is left over would wake its pipe in the middle of the next test.
  await Promise.all(sinks.splice(0).map(closed));
  vi.useRealTimers();
});

const sinks: Writable[] = [];

function closed(sink: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (sink.closed) return resolve();
    sink.once('close', () => resolve());
    sink.destroy();
  });
}

/** Takes what it gets at once. */
function openSink() {
  const arrived: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      arrived.push(chunk);
      done();
    },
  });
  sinks.push(sink);
  return { sink, text: () => Buffer.concat(arrived).toString(), bytes: () => Buffer.concat(arrived).length };
}

/** Is busy with each chunk until the test lets it finish. */
function busySink() {
  const begun: string[] = [];
  const finishers: (() => void)[] = [];
  const sink = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      begun.push(String(chunk));
      finishers.push(done);
    },
  });
  sinks.push(sink);
  return { sink, begun, finishOne: () => finishers.shift()?.() };
}

const nothing = () => {};
const unlimited = Number.POSITIVE_INFINITY;

describe('delay', () => {
  test('each chunk arrives the delay after it was put in, not sooner', () => {
    const { sink, text } = openSink();
    const pipe = new DelayedPipe(sink, { delayMs: 20, bytesPerSecond: unlimited }, nothing);
    pipe.put(Buffer.from('a'));
    vi.advanceTimersByTime(10);
    pipe.put(Buffer.from('b'));
    vi.advanceTimersByTime(9);
    expect(text()).toBe('');
    vi.advanceTimersByTime(1);
    expect(text()).toBe('a');
    vi.advanceTimersByTime(9);
    expect(text()).toBe('a');
    vi.advanceTimersByTime(1);
    expect(text()).toBe('ab');
  });

  test('the end arrives after the delay and after all bytes', () => {
    const { sink, text } = openSink();
    const pipe = new DelayedPipe(sink, { delayMs: 20, bytesPerSecond: unlimited }, nothing);
    pipe.put(Buffer.from('all of it'));
    pipe.end();
    vi.advanceTimersByTime(19);
    expect(sink.writableEnded).toBe(false);
    vi.advanceTimersByTime(1);
    expect(text()).toBe('all of it');
    expect(sink.writableEnded).toBe(true);
  });
});

describe('rate', () => {
  test('the line lets through what it can carry and no more', () => {
    const { sink, bytes } = openSink();
    const pipe = new DelayedPipe(sink, { delayMs: 0, bytesPerSecond: 1_000_000 }, nothing);
    for (let chunk = 0; chunk < 10; chunk += 1) pipe.put(Buffer.alloc(10_000));
    vi.advanceTimersByTime(50);
    expect(bytes()).toBe(50_000);
    vi.advanceTimersByTime(50);
    expect(bytes()).toBe(100_000);
  });

  test('an idle line saves nothing up', () => {
    const { sink, bytes } = openSink();
    const pipe = new DelayedPipe(sink, { delayMs: 0, bytesPerSecond: 1_000_000 }, nothing);
    vi.advanceTimersByTime(5_000);
    pipe.put(Buffer.alloc(10_000));
    pipe.put(Buffer.alloc(10_000));
    vi.advanceTimersByTime(10);
    expect(bytes()).toBe(10_000);
  });

  test('a line that is fast and long is filled before the source has to wait', () => {
    const { sink } = openSink();
    const pipe = new DelayedPipe(sink, { delayMs: 100, bytesPerSecond: 100_000_000 }, nothing);
    const lineBytes = 10_000_000;
    const chunk = Buffer.alloc(1_000_000);
    for (let put = 0; put < lineBytes; put += chunk.length) expect(pipe.put(chunk)).toBe(true);
  });
});

describe('back-pressure', () => {
  test('a full line asks the source to wait, and calls it when there is room', () => {
    const { sink } = openSink();
    const onRoom = vi.fn();
    const pipe = new DelayedPipe(sink, { delayMs: 0, bytesPerSecond: 1_000_000 }, onRoom);
    const chunk = Buffer.alloc(64 * 1024);
    let held = 0;
    while (pipe.put(chunk)) held += chunk.length;
    expect(held).toBeLessThan(1024 * 1024);
    expect(onRoom).not.toHaveBeenCalled();
    vi.advanceTimersByTime(70);
    expect(onRoom).toHaveBeenCalledOnce();
  });

  test('while the sink is busy it is left alone, and then gets what has become due', async () => {
    const { sink, begun, finishOne } = busySink();
    const pipe = new DelayedPipe(sink, { delayMs: 1, bytesPerSecond: unlimited }, nothing);
    pipe.put(Buffer.from('a'));
    vi.advanceTimersByTime(1);
    pipe.put(Buffer.from('b'));
    vi.advanceTimersByTime(1_000);
    expect(sink.writableLength).toBe(1);
    const drained = once(sink, 'drain');
    finishOne();
    await drained;
    expect(begun).toEqual(['a', 'b']);
  });

  test('chunks that will not arrive any more are given back', async () => {
    const { sink } = openSink();
    const pipe = new DelayedPipe(sink, { delayMs: 1_000, bytesPerSecond: unlimited }, nothing);
    const onGone = vi.fn();
    pipe.put(Buffer.from('held'), onGone);
    await closed(sink);
    expect(onGone).toHaveBeenCalledOnce();
    expect(pipe.put(Buffer.from('late'), onGone)).toBe(true);
    expect(onGone).toHaveBeenCalledTimes(2);
    expect(vi.getTimerCount()).toBe(0);
  });
});
