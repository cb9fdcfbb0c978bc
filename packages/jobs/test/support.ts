import { createStreamHub, type Sink } from '@rbee/event-stream';
import { createManualClock } from '@rbee/testing';
import { type Job, JobRegistry, type JobRegistryDeps, type JobRegistryOptions } from '../src/index.ts';

/** A registry on a manual clock, with every reported bug. */
export function createRegistry(options: JobRegistryOptions = {}, more: Partial<JobRegistryDeps> = {}) {
  const clock = createManualClock();
  const bugs: unknown[] = [];
  const streamHub = createStreamHub();
  const registry = new JobRegistry(
    { streamHub, clock, actor: 'hive-a', onBug: (error) => bugs.push(error), ...more },
    options,
  );
  return { clock, bugs, registry };
}

interface SeenEvent {
  readonly event: string;
  readonly data: string;
}

/** Reads a job's stream to its end, from the first kept line. */
export function readToEnd(job: Job): Promise<SeenEvent[]> {
  const { promise, resolve } = Promise.withResolvers<SeenEvent[]>();
  let text = '';
  const sink: Sink = {
    write(frame) {
      text += frame.plain.toString();
      return true;
    },
    end: () => resolve(parseEvents(text)),
    destroy: () => resolve(parseEvents(text)),
    onDrain: () => {},
    onClose: () => {},
  };
  job.channel.attach(sink, null);
  return promise;
}

/** The lines of a job in order: the human part of its narration, and its last event. */
export async function linesOf(job: Job): Promise<string[]> {
  const events = await readToEnd(job);
  return events.map(({ event, data }) =>
    event === 'narration' ? (JSON.parse(data) as { human: string }).human : data,
  );
}

function parseEvents(text: string): SeenEvent[] {
  return text
    .split('\n\n')
    .map((block) => ({
      event: /^event: ?(.*)$/m.exec(block)?.[1] ?? 'message',
      data: /^data: ?(.*)$/m.exec(block)?.[1] ?? '',
    }))
    .filter(({ data }) => data !== '');
}
