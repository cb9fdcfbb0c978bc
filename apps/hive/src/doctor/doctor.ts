import { type Clock, type DoctorCheck, HIVE_CHECKS, type HiveCheck, type HiveDoctor, RbeeError } from '@rbee/contract';
import type { HubAccess } from '../sources/hugging-face/hub-file.ts';
import type { Store } from '../store/store.ts';
import { checksOfDisk } from './disk-checks.ts';
import { checksOfHub, withoutHub } from './hub-checks.ts';
import { type Run, runCheck } from './run-check.ts';

/** All checks together; each also has a limit of its own. */
const ALL_MS = 20_000;
/** Names and proxies answer at once or not at all. What waits for others is limited by all of them together. */
const LIMITS_MS: Readonly<Partial<Record<HiveCheck, number>>> = { dns: 5_000, proxy: 5_000, tls: 15_000 };

export interface DoctorDeps {
  readonly hiveId: string;
  readonly clock: Clock;
  /** The hub as the downloads ask it: the same dispatcher, endpoint and token. */
  readonly hub: HubAccess;
  /** HF_HUB_OFFLINE: the hub is never asked. */
  readonly isOffline: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly store: Pick<Store, 'layout' | 'list'>;
  /** The hive is stopping. */
  readonly signal: AbortSignal;
  readonly onBug: (error: unknown) => void;
}

export interface Doctor {
  /** Tests the way to the hub and the disk. Who asks while that is under way gets the same answer. @throws RbeeError HIVE_UNAVAILABLE */
  examine(): Promise<HiveDoctor>;
}

export function createDoctor(deps: DoctorDeps): Doctor {
  let underWay: Promise<HiveDoctor> | null = null;
  return {
    examine() {
      underWay ??= examine(deps).finally(() => {
        underWay = null;
      });
      return underWay;
    },
  };
}

async function examine(deps: DoctorDeps): Promise<HiveDoctor> {
  const { clock, onBug } = deps;
  const signal = AbortSignal.any([deps.signal, AbortSignal.timeout(ALL_MS)]);
  const run: Run = (check, work) =>
    runCheck(check, { clock, signal, limitMs: LIMITS_MS[check] ?? ALL_MS, onBug }, work);
  const checks = await Promise.all([
    ...(deps.isOffline ? withoutHub(run) : checksOfHub(deps, run, signal)),
    ...checksOfDisk(deps, run),
  ]);
  if (deps.signal.aborted) {
    throw new RbeeError('HIVE_UNAVAILABLE', 'the daemon is stopping', { hint: 'try again later' });
  }
  const inOrder = (a: DoctorCheck, b: DoctorCheck) => placeOf(a) - placeOf(b);
  return { hive_id: deps.hiveId, checks: checks.sort(inOrder) };
}

const placeOf = ({ check }: DoctorCheck): number => (HIVE_CHECKS as readonly string[]).indexOf(check);
