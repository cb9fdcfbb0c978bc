import type { Channel, Sink } from '@rbee/event-stream';

/** What a reader of a channel gets: `event data`, and `end`. */
export function readChannel(channel: Channel): string[] {
  const lines: string[] = [];
  channel.attach(sinkOf(lines), null);
  return lines;
}

function sinkOf(lines: string[]): Sink {
  return {
    write(frame) {
      for (const block of frame.plain.toString().split('\n\n')) {
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        if (data !== undefined) lines.push(`${/^event: ?(.*)$/m.exec(block)?.[1]} ${data}`);
      }
      return true;
    },
    end: () => lines.push('end'),
    destroy: () => {},
    onDrain: () => {},
    onClose: () => {},
  };
}
