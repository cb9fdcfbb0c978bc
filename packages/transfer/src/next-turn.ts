import { setImmediate } from 'node:timers/promises';

/**
 * For who asks right after an answer has ended: until this turn of the loop is over undici takes the connection that it came over for
 * busy, and would open another, which costs a handshake or two.
 */
export function nextTurn(): Promise<void> {
  return setImmediate();
}
