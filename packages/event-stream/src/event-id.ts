import { randomBytes } from 'node:crypto';

/** A position in one channel's history: `sequence` counts from 1 within one `epoch`. */
interface EventPosition {
  readonly epoch: string;
  readonly sequence: number;
}

const eventIdPattern = /^([A-Za-z0-9]+)\.([0-9]{1,15})$/;
const epochPattern = /^[A-Za-z0-9]{1,64}$/;
const epochBytes = 6;

/** A random epoch, so that ids of a previous run are not mistaken for new ones. */
export function newEpoch(): string {
  return randomBytes(epochBytes).toString('hex');
}

/** Prints `<epoch>.<sequence>`, the `id:` of an event. */
export function formatEventId(epoch: string, sequence: number): string {
  return `${epoch}.${sequence}`;
}

/** Reads a `Last-Event-ID`; null when it was not made by {@link formatEventId}. */
function parseEventId(text: string): EventPosition | null {
  const match = eventIdPattern.exec(text);
  if (match?.[1] === undefined || match[2] === undefined) return null;
  return { epoch: match[1], sequence: Number(match[2]) };
}

/** The sequence that a reader already has: 0 when it has nothing from this epoch. */
export function sequenceOf(lastEventId: string | null, epoch: string): number {
  const position = lastEventId === null ? null : parseEventId(lastEventId);
  return position?.epoch === epoch ? position.sequence : 0;
}

/** Throws an Error when `epoch` could be confused with the rest of an id. */
export function assertEpoch(epoch: string): void {
  if (!epochPattern.test(epoch)) throw new Error('an epoch is 1 to 64 letters and digits');
}
