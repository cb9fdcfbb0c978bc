import type { Failure } from '../errors/failure.ts';
import type { Paint } from './style.ts';
import { printable } from './text.ts';

/** A failure in one paragraph for people: what failed and what to do next, with a line feed at its end. */
export function failureText(failure: Failure, paint: Paint): string {
  const message = failure.message.split(/\r?\n/).map(printable).join('\n');
  const said = failure.details?.queen_url;
  const id = failure.details?.request_id;
  const request = typeof id === 'string' ? `, request ${printable(id)}` : '';
  const where = typeof said === 'string' ? ` (${failure.code}, said by the queen at ${printable(said)}${request})` : '';
  const hint = failure.hint === undefined ? '' : `\n${paint('dim', 'hint:')} ${printable(failure.hint)}`;
  return `${paint('red', 'error:')} ${message}${where}${hint}\n`;
}
