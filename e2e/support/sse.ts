import { createWatch, type WaitOptions } from '@rbee/testing';

/** One event as received; `event` is `message` if it had no name. */
export interface WireEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A stream that is read without code of the product: plain fetch and a parser of a few lines. */
export interface Reader {
  readonly status: number;
  readonly events: readonly WireEvent[];
  /** Whether the server has ended the stream. */
  readonly ended: boolean;
  /** Whether the connection was lost or closed by `leave`. */
  readonly broken: boolean;
  waitFor(condition: () => boolean, what: string, options?: WaitOptions): Promise<void>;
  /** Waits until the server ends the stream. */
  toEnd(): Promise<readonly WireEvent[]>;
  leave(): void;
}

export async function readStream(url: string, headers: Record<string, string> = {}): Promise<Reader> {
  const controller = new AbortController();
  const answer = await fetch(url, { headers, signal: controller.signal });
  const events: WireEvent[] = [];
  let ended = false;
  let broken = false;
  const watch = createWatch(
    () => `${url} (${answer.status}):\n${events.map((e) => `${e.event} ${e.data}`).join('\n')}`,
  );
  const read = async () => {
    let text = '';
    for await (const chunk of answer.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data === undefined) continue;
        const id = /^id: ?(.*)$/m.exec(block)?.[1] ?? '';
        events.push({ id, event: /^event: ?(.*)$/m.exec(block)?.[1] ?? 'message', data });
      }
      watch.poke();
    }
    ended = true;
    watch.poke();
  };
  // `leave` aborts the read, and a server that goes away resets it: both end the stream for this reader.
  void read().catch(() => {
    broken = true;
    watch.poke();
  });
  return {
    status: answer.status,
    events,
    get ended() {
      return ended;
    },
    get broken() {
      return broken;
    },
    waitFor: watch.waitFor,
    async toEnd() {
      await watch.waitFor(() => ended, 'the end of the stream', { timeoutMs: 60_000 });
      return events;
    },
    leave: () => controller.abort(),
  };
}

/** The JSON of an event's data. */
export function jsonOf(event: WireEvent | undefined): Record<string, unknown> {
  if (!event) throw new Error('there is no such event');
  return JSON.parse(event.data) as Record<string, unknown>;
}

/** The human text of each narration line of a job stream, and the data of its other events. */
export function spoken(events: readonly WireEvent[]): string[] {
  return events.map((event) => (event.event === 'narration' ? String(jsonOf(event)['human']) : event.data));
}

/** The names of the terminal events, in order. */
export function terminalsOf(events: readonly WireEvent[]): string[] {
  return events.map(({ event }) => event).filter((event) => ['complete', 'error', 'cancelled'].includes(event));
}
