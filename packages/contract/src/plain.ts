/*
 * What needs no schema, as `@rbee/contract/plain`: for who checks nothing that comes over a wire and should not wait for what does.
 */
export { type Clock, systemClock } from './clock.ts';
export { spaceNeeded } from './disk-reserve.ts';
export { errnoOf } from './errno.ts';
export { ERROR_CODES, type ErrorCode, RbeeError } from './error.ts';
export { parseRetryAfter } from './retry-after.ts';
export { type TlsProblem, tlsProblemOf } from './tls-problem.ts';
export { formatBytes, formatSeconds, percentOf } from './units.ts';
