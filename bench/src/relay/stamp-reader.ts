import { stampDigits, stampMark } from './stamp.ts';

const mark = Buffer.from(stampMark, 'latin1');
const stampBytes = mark.length + stampDigits;
const lineFeed = 0x0a;
const zero = 0x30;
const ten = 10;

/** Finds the stamps in one reader's bytes, whatever the framing around them and wherever the packets were cut. */
export interface StampReader {
  /** `bytes` is not kept. */
  read(bytes: Buffer): void;
}

export function createStampReader(onStamp: (us: number) => void): StampReader {
  let carried: Buffer | null = null;
  return {
    read(bytes) {
      const all = carried === null ? bytes : Buffer.concat([carried, bytes]);
      carried = null;
      let offset = 0;
      for (;;) {
        const found = all.indexOf(mark, offset);
        if (found === -1 || found + stampBytes > all.length) break;
        onStamp(digitsAt(all, found + mark.length));
        offset = found + stampBytes;
      }
      // Every framing ends an event with a line feed, so in the usual case nothing has to be kept.
      if (all.at(-1) === lineFeed) return;
      carried = Buffer.from(all.subarray(Math.max(offset, all.length - stampBytes + 1)));
    },
  };
}

function digitsAt(bytes: Buffer, offset: number): number {
  let value = 0;
  for (let index = offset; index < offset + stampDigits; index += 1)
    value = value * ten + (bytes[index] ?? zero) - zero;
  return value;
}
