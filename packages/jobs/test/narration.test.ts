import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { bindNarration, type Line, narrate, withListener } from '../src/index.ts';

/** A listener that keeps its lines. */
function createRecorder() {
  const lines: string[] = [];
  return { lines, onLine: (line: Line) => void lines.push(line.human) };
}

describe('narration', () => {
  it('reaches no listener outside a job, and returns false', () => {
    expect(narrate('idle', 'nobody listens')).toBe(false);
  });

  it('carries action and level along with the text', () => {
    const lines: Line[] = [];
    withListener({ onLine: (line) => lines.push(line) }, () => narrate('download_retry', 'again', 'warn'));
    expect(lines).toEqual([{ action: 'download_retry', human: 'again', level: 'warn' }]);
  });

  it('arrives from timers, promises and streams that were started inside', async () => {
    const recorder = createRecorder();
    await withListener(recorder, async () => {
      await new Promise<void>((resolve) => setTimeout(() => resolve(void narrate('a', 'from a timer')), 1));
      await nextTurn();
      narrate('a', 'after an await');
      const stream = Readable.from(['x']);
      stream.on('data', () => narrate('a', 'from a stream'));
      await once(stream, 'end');
    });
    expect(recorder.lines).toEqual(['from a timer', 'after an await', 'from a stream']);
  });

  it('arrives from a worker that was started inside', async () => {
    const recorder = createRecorder();
    await withListener(recorder, async () => {
      const source = "require('node:worker_threads').parentPort.postMessage('from a worker')";
      const worker = new Worker(source, { eval: true });
      worker.on('message', (text: string) => narrate('a', text));
      await once(worker, 'exit');
    });
    expect(recorder.lines).toEqual(['from a worker']);
  });

  it('of two concurrent jobs is never mixed up, however their work interleaves', async () => {
    const recorders = [createRecorder(), createRecorder()];
    await Promise.all(
      recorders.map((recorder, index) =>
        withListener(recorder, async () => {
          for (let step = 0; step < 50; step += 1) {
            await nextTurn();
            narrate('step', `${index}:${step}`);
          }
        }),
      ),
    );
    for (const [index, recorder] of recorders.entries()) {
      expect(recorder.lines).toEqual(Array.from({ length: 50 }, (_, step) => `${index}:${step}`));
    }
  });

  it('of a bound callback belongs to the job that bound it, in whatever context it is called', () => {
    const [first, second] = [createRecorder(), createRecorder()];
    const shared = new EventEmitter();
    withListener(first, () =>
      shared.on(
        'chunk',
        bindNarration((text: string) => narrate('a', text)),
      ),
    );
    withListener(second, () => shared.emit('chunk', 'for the first'));
    expect(first.lines).toEqual(['for the first']);
    expect(second.lines).toEqual([]);
  });
});
