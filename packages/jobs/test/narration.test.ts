import { EventEmitter, once } from 'node:events';
import { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { bindNarration, type Line, narrate, withListener } from '../src/index.ts';

/** A listener that keeps what it heard. */
function createEar() {
  const heard: string[] = [];
  return { heard, onLine: (line: Line) => void heard.push(line.human) };
}

describe('narration', () => {
  it('reaches nobody when it belongs to no job, and says so', () => {
    expect(narrate('idle', 'nobody listens')).toBe(false);
  });

  it('carries action and level beside the words', () => {
    const lines: Line[] = [];
    withListener({ onLine: (line) => lines.push(line) }, () => narrate('download_retry', 'again', 'warn'));
    expect(lines).toEqual([{ action: 'download_retry', human: 'again', level: 'warn' }]);
  });

  it('is heard from timers, promises and streams that were started inside', async () => {
    const ear = createEar();
    await withListener(ear, async () => {
      await new Promise<void>((resolve) => setTimeout(() => resolve(void narrate('a', 'from a timer')), 1));
      await nextTurn();
      narrate('a', 'after an await');
      const stream = Readable.from(['x']);
      stream.on('data', () => narrate('a', 'from a stream'));
      await once(stream, 'end');
    });
    expect(ear.heard).toEqual(['from a timer', 'after an await', 'from a stream']);
  });

  it('is heard from a worker that was started inside', async () => {
    const ear = createEar();
    await withListener(ear, async () => {
      const source = "require('node:worker_threads').parentPort.postMessage('from a worker')";
      const worker = new Worker(source, { eval: true });
      worker.on('message', (text: string) => narrate('a', text));
      await once(worker, 'exit');
    });
    expect(ear.heard).toEqual(['from a worker']);
  });

  it('of two jobs at once is never mixed up, however their work interleaves', async () => {
    const ears = [createEar(), createEar()];
    await Promise.all(
      ears.map((ear, index) =>
        withListener(ear, async () => {
          for (let step = 0; step < 50; step += 1) {
            await nextTurn();
            narrate('step', `${index}:${step}`);
          }
        }),
      ),
    );
    for (const [index, ear] of ears.entries()) {
      expect(ear.heard).toEqual(Array.from({ length: 50 }, (_, step) => `${index}:${step}`));
    }
  });

  it('of a bound callback belongs to the job that bound it, whoever calls', () => {
    const [first, second] = [createEar(), createEar()];
    const shared = new EventEmitter();
    withListener(first, () =>
      shared.on(
        'chunk',
        bindNarration((text: string) => narrate('a', text)),
      ),
    );
    withListener(second, () => shared.emit('chunk', 'for the first'));
    expect(first.heard).toEqual(['for the first']);
    expect(second.heard).toEqual([]);
  });
});
