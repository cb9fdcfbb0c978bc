import { type Clock, type DoctorCheck, type HiveCheck, RbeeError, toSeconds } from '@rbee/contract';
import { abortable } from '@rbee/transfer';
import { failed, type Verdict } from './verdict.ts';

export interface CheckOptions {
  readonly clock: Clock;
  /** Aborts all checks: the hive stops, or the common limit is over. */
  readonly signal: AbortSignal;
  readonly limitMs: number;
  readonly onBug: (error: unknown) => void;
}

/** Runs one check; never rejects. */
export type Run = (check: HiveCheck, work: (signal: AbortSignal) => Promise<Verdict> | Verdict) => Promise<DoctorCheck>;

const LATE_HINTS = {
  network: 'check the network, the resolvers and the proxy settings of this machine',
  disk: 'check the disk of the store: it is very slow, or hangs',
} as const;
const OF_DISK: readonly HiveCheck[] = ['disk_space', 'disk_speed', 'store'];

/** Runs one check within its limit. A check that throws becomes a verdict: the others are still reported. */
export async function runCheck(
  check: HiveCheck,
  options: CheckOptions,
  work: (signal: AbortSignal) => Promise<Verdict> | Verdict,
): Promise<DoctorCheck> {
  const { clock, limitMs, onBug } = options;
  const startedAtMs = clock.elapsed();
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(limitMs)]);
  let found: Verdict;
  try {
    found = await abortable(signal, async () => work(signal));
  } catch (error) {
    if (signal.aborted) {
      const hint = LATE_HINTS[OF_DISK.includes(check) ? 'disk' : 'network'];
      found = failed(`no response within ${toSeconds(clock.elapsed() - startedAtMs).toFixed(1)} s`, hint);
    } else if (error instanceof RbeeError) found = failed(error.message, error.hint);
    else {
      onBug(error);
      found = failed('the check itself failed', 'this is a bug: please report it with the log of the hive');
    }
  }
  return { check, ...found, duration_secs: toSeconds(clock.elapsed() - startedAtMs) };
}
