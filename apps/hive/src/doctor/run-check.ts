import { type Clock, type DoctorCheck, type HiveCheck, RbeeError, toSeconds } from '@rbee/contract';
import { abortable } from '@rbee/transfer';
import { failed, type Verdict } from './verdict.ts';

export interface CheckOptions {
  readonly clock: Clock;
  /** Ends all checks: the hive is stopping, or the time for all of them is over. */
  readonly signal: AbortSignal;
  readonly limitMs: number;
  readonly onBug: (error: unknown) => void;
}

/** Runs one check, whatever comes of it. */
export type Run = (check: HiveCheck, work: (signal: AbortSignal) => Promise<Verdict> | Verdict) => Promise<DoctorCheck>;

const LATE_HINTS = {
  network: 'look at the network, the resolvers and the proxy settings of this machine',
  disk: 'look at the disk of the store: it is very slow, or hangs',
} as const;
const OF_DISK: readonly HiveCheck[] = ['disk_space', 'disk_speed', 'store'];

/** Does one check within its time. A check that fails by itself is a verdict as well: the others are still told. */
export async function runCheck(
  check: HiveCheck,
  options: CheckOptions,
  work: (signal: AbortSignal) => Promise<Verdict> | Verdict,
): Promise<DoctorCheck> {
  const { clock, limitMs, onBug } = options;
  const startedAtMs = clock.now();
  const signal = AbortSignal.any([options.signal, AbortSignal.timeout(limitMs)]);
  let found: Verdict;
  try {
    found = await abortable(signal, async () => work(signal));
  } catch (error) {
    if (signal.aborted) {
      const hint = LATE_HINTS[OF_DISK.includes(check) ? 'disk' : 'network'];
      found = failed(`no answer within ${toSeconds(clock.now() - startedAtMs).toFixed(1)} s`, hint);
    } else if (error instanceof RbeeError) found = failed(error.message, error.hint);
    else {
      onBug(error);
      found = failed(
        'the check itself went wrong',
        'this is a bug: please report it with what the log of the hive says',
      );
    }
  }
  return { check, ...found, duration_secs: toSeconds(clock.now() - startedAtMs) };
}
