import { type DoctorCheck, formatSeconds, type Hive, toSeconds } from '@rbee/contract';

/** The `Date` header has a resolution of seconds. Beyond this, displayed ages are visibly wrong. */
const CLOCK_WARNING_MS = 5_000;

type Verdict = Pick<DoctorCheck, 'status' | 'message' | 'hint'>;

/** The keeper's own checks. */
export interface KeeperChecks {
  readonly found: readonly DoctorCheck[];
  /** A second verdict on a check replaces the first. */
  add(check: 'queen' | 'clock' | 'token' | 'versions' | 'hives', verdict: Verdict): void;
}

/** The duration of a check starts at the previous verdict. */
export function createChecks(now: () => number): KeeperChecks {
  const found = new Map<string, DoctorCheck>();
  let sinceMs = now();
  return {
    get found() {
      return [...found.values()];
    },
    add(check, verdict) {
      found.set(check, { check, ...verdict, duration_secs: toSeconds(now() - sinceMs) });
      sinceMs = now();
    },
  };
}

/** Compares the queen's clock with that of this machine. */
export function judgeClock(date: string | null, startedAtMs: number, endedAtMs: number): Verdict {
  const toldMs = Date.parse(date ?? '');
  if (Number.isNaN(toldMs)) return { status: 'skipped', message: 'the queen sent no time' };
  const aheadMs = (startedAtMs + endedAtMs) / 2 - toldMs;
  if (Math.abs(aheadMs) < CLOCK_WARNING_MS + (endedAtMs - startedAtMs) / 2) {
    return { status: 'ok', message: 'in sync with the queen' };
  }
  const off = formatSeconds(Math.abs(aheadMs) / 1_000);
  return {
    status: 'warning',
    message: `this machine is ${off} ${aheadMs > 0 ? 'ahead of' : 'behind'} the queen`,
    hint: 'enable NTP on both machines (timedatectl set-ntp true)',
  };
}

export function judgeVersions(own: string, queen: string, hives: readonly Hive[]): Verdict {
  const all = [
    ['the keeper', own],
    ['the queen', queen],
    ...hives.flatMap(({ hive_id, version }) => (version === null ? [] : [[hive_id, version]])),
  ];
  if (all.every(([, version]) => version === own)) return { status: 'ok', message: `all on version ${own}` };
  const listed = all.map(([name, version]) => `${name} ${version}`).join(', ');
  return {
    status: 'warning',
    message: `versions differ: ${listed}`,
    hint: 'install the same version everywhere, on the queen and the hives first',
  };
}

export function judgeHives(hives: readonly Hive[]): Verdict {
  if (hives.length === 0) {
    return {
      status: 'warning',
      message: 'no hive is registered with the queen',
      hint: 'start one with "rbee-hive --queen-url URL"',
    };
  }
  const online = hives.filter((hive) => hive.online).length;
  const message = `${online} of ${hives.length} online`;
  if (online === hives.length) return { status: 'ok', message };
  return { status: 'warning', message, hint: 'start the offline hives; a hive that is gone for good needs nothing' };
}
