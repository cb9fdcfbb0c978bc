import { type Hive, RbeeError, toRbeeError } from '@rbee/contract';

/** For all hives together: a client waits at most 30 s. */
const TOTAL_MS = 27_000;
/** A hive responds within 20 s. */
const EACH_MS = 22_000;
/** With less there is no use in asking another one. */
const LEAST_MS = 3_000;
/** A name that this many hubs do not know is wrong. */
const MAX_REFUSALS = 3;

/** The request itself is wrong: every hive would say so. */
const WRONG_REQUEST: readonly string[] = ['MODEL_REF_INVALID', 'REQUEST_INVALID'];
/** The hive was not reached, or does not know the route. */
const NO_HIVE: readonly string[] = ['HIVE_UNAVAILABLE', 'ROUTE_NOT_FOUND'];
/** The hive did not reach its source. */
const NO_SOURCE: readonly string[] = ['SOURCE_UNAVAILABLE', 'DOWNLOAD_TIMEOUT', 'DOWNLOAD_FAILED'];

/**
 * Asks hives one after the other, the least busy first, until one responds: another one may have the token, the proxy or the hub that
 * this one lacks. If none does, the error is the first that says something about the model.
 * @throws RbeeError
 */
export async function askAny<T>(
  hives: readonly Hive[],
  ask: (hive: Hive, timeoutMs: number) => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + TOTAL_MS;
  const errors: RbeeError[] = [];
  const refusals = () => errors.filter(({ code }) => !NO_HIVE.includes(code) && !NO_SOURCE.includes(code));
  for (const hive of hives.toSorted((a, b) => a.active_downloads - b.active_downloads)) {
    const leftMs = deadline - performance.now();
    if (leftMs < LEAST_MS || refusals().length >= MAX_REFUSALS) break;
    try {
      return await ask(hive, Math.min(EACH_MS, leftMs));
    } catch (error) {
      const failure = toRbeeError(error);
      if (WRONG_REQUEST.includes(failure.code)) throw failure;
      errors.push(failure);
    }
  }
  throw refusals()[0] ?? errors.find(({ code }) => NO_SOURCE.includes(code)) ?? noHive(errors);
}

function noHive(errors: readonly RbeeError[]): RbeeError {
  const unreachable = errors.find(({ code }) => code === 'HIVE_UNAVAILABLE');
  if (unreachable !== undefined) return unreachable;
  return new RbeeError('HIVE_UNAVAILABLE', 'no online hive of this fleet can look at its hub', {
    hint: 'update the hives to the version of the queen',
  });
}
