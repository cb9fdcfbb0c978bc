import { type Clock, type DoctorCheck, HIVE_CHECKS, type HiveCheck, type HiveDoctor, RbeeError } from '@rbee/contract';
import type { Proxies } from '../sources/http/proxy/proxies.ts';
import type { HubAccess } from '../sources/hugging-face/hub-file.ts';
import type { Store } from '../store/store.ts';
import { checksOfDisk } from './disk-checks.ts';
import { checksOfHub, withoutHub } from './hub-checks.ts';
import { type Run, runCheck } from './run-check.ts';

/** For all checks together; some have a shorter limit. */
const ALL_MS = 20_000;
/** DNS and proxies respond quickly or not at all. Checks that wait for others have only the common limit. */
const LIMITS_MS: Readonly<Partial<Record<HiveCheck, number>>> = { dns: 5_000, proxy: 5_000, tls: 15_000 };

export interface DoctorDeps {
  readonly hiveId: string;
  readonly clock: Clock;
  /** As downloads use it: the same dispatcher, endpoint and token. */
  readonly hub: HubAccess;
  /** HF_HUB_OFFLINE: no request is sent to the hub. */
  readonly isOffline: boolean;
  /** The same as the dispatcher has. */
  readonly proxies: Proxies;
  readonly store: Pick<Store, 'layout' | 'list' | 'assertSame'>;
  /** Aborts when the hive stops. */
  readonly signal: AbortSignal;
  readonly onBug: (error: unknown) => void;
}

export interface Doctor {
  /** Tests the route to the hub and the disk. Calls during a run share its result. @throws RbeeError HIVE_UNAVAILABLE */
  examine(): Promise<HiveDoctor>;
}

export function createDoctor(deps: DoctorDeps): Doctor {
  let running: Promise<HiveDoctor> | null = null;
  return {
    examine() {
      running ??= examine(deps).finally(() => {
        running = null;
      });
      return running;
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
    throw new RbeeError('HIVE_UNAVAILABLE', 'the daemon is stopping', { hint: 'retry later' });
  }
  const inOrder = (a: DoctorCheck, b: DoctorCheck) => placeOf(a) - placeOf(b);
  return { hive_id: deps.hiveId, checks: checks.sort(inOrder) };
}

const placeOf = ({ check }: DoctorCheck): number => (HIVE_CHECKS as readonly string[]).indexOf(check);
