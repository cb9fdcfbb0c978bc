import { type DoctorCheck, formatSeconds, type Hive, toSeconds } from '@rbee/contract';

/** The `Date` of an answer has no more than seconds. Beyond this, times in what is shown are wrong for all to see. */
const CLOCK_WARNING_MS = 5_000;

type Verdict = Pick<DoctorCheck, 'status' | 'message' | 'hint'>;

/** What the keeper looks at by itself. */
export interface KeeperChecks {
  readonly found: readonly DoctorCheck[];
  /** Another verdict on the same takes the place of the first. */
  add(check: 'queen' | 'clock' | 'token' | 'versions' | 'hives', verdict: Verdict): void;
}

/** Each check lasts from the one before to its verdict. */
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

/** How far the queen's clock is from that of this machine. */
export function judgeClock(date: string | null, startedAtMs: number, endedAtMs: number): Verdict {
  const toldMs = Date.parse(date ?? '');
  if (Number.isNaN(toldMs)) return { status: 'skipped', message: 'the queen does not tell the time' };
  const aheadMs = (startedAtMs + endedAtMs) / 2 - toldMs;
  if (Math.abs(aheadMs) < CLOCK_WARNING_MS + (endedAtMs - startedAtMs) / 2) {
    return { status: 'ok', message: 'the clock of this machine agrees with that of the queen' };
  }
  const off = formatSeconds(Math.abs(aheadMs) / 1_000);
  return {
    status: 'warning',
    message: `the clock of this machine is ${off} ${aheadMs > 0 ? 'ahead of' : 'behind'} that of the queen`,
    hint: 'set the clocks of both machines: switch NTP on (timedatectl set-ntp true)',
  };
}

export function judgeVersions(own: string, queen: string, hives: readonly Hive[]): Verdict {
  const all = [
    ['the keeper', own],
    ['the queen', queen],
    ...hives.flatMap(({ hive_id, version }) => (version === null ? [] : [[hive_id, version]])),
  ];
  if (all.every(([, version]) => version === own)) return { status: 'ok', message: `all are of version ${own}` };
  const listed = all.map(([name, version]) => `${name} ${version}`).join(', ');
  return {
    status: 'warning',
    message: `the versions differ: ${listed}`,
    hint: 'install the same version everywhere: for the queen and the hives first',
  };
}

export function judgeHives(hives: readonly Hive[]): Verdict {
  if (hives.length === 0) {
    return {
      status: 'warning',
      message: 'the queen knows no hive',
      hint: 'start one with "rbee-hive --queen-url URL"',
    };
  }
  const online = hives.filter((hive) => hive.online).length;
  const message = `${online} of ${hives.length} online`;
  if (online === hives.length) return { status: 'ok', message };
  return { status: 'warning', message, hint: 'start those that are missing; one that is gone for good needs nothing' };
}
