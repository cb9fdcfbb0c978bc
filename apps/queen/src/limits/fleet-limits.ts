import type { Clock, Hive, RunTimeSettings, RunTimeSettingsPatch } from '@rbee/contract';
import { type DemandMemory, demandOf, isDownloading } from './demand.ts';
import { divideBudget } from './divide-budget.ts';

/** Beats of several hives that come together are answered together. */
const GATHER_MS = 100;
/** A division that differs from what is in force by no more than this part is not worth telling the hives. */
const TOLERANCE = 0.05;

/** What is remembered of a hive's limits over a restart. Bandwidths are bytes per second, null is unlimited. */
interface Remembered {
  readonly wanted: { readonly max_bandwidth?: number | null; readonly max_concurrent_downloads?: number };
  readonly own: number | null;
  readonly given: readonly (number | null)[];
}

export interface FleetLimitsDeps {
  readonly clock: Clock;
  readonly hives: () => readonly Hive[];
  readonly getSettings: (hive: Hive) => Promise<RunTimeSettings>;
  readonly patchSettings: (hive: Hive, patch: RunTimeSettingsPatch) => Promise<RunTimeSettings>;
  readonly remembered: ReadonlyMap<string, Remembered>;
  readonly remember: (hiveId: string, limits: Remembered) => void;
  readonly forget: (hiveId: string) => void;
  /** Told what a hive has at the moment. */
  readonly onSettings: (hiveId: string, settings: RunTimeSettings) => void;
  readonly log: { warn(fields: object, message: string): void };
  /** Bytes per second over all hives; null is unlimited. */
  readonly budget: number | null;
}

/** A hive whose settings are known. */
interface Known extends DemandMemory {
  inForce: RunTimeSettings;
}

/**
 * The limits of the fleet: those that were asked for each hive, given again to a hive that comes back, and one budget over
 * all, divided among the hives that download each time one says how it is.
 */
export class FleetLimits {
  readonly #deps: FleetLimitsDeps;
  readonly #remembered: Map<string, Remembered>;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Set<string>();
  #budget: number | null;
  #cancelTimer: (() => void) | null = null;
  #round: Promise<void> = Promise.resolve();
  /** A round that has not begun, and so will see what changes until then; null where there is none. */
  #nextRound: Promise<void> | null = null;
  #isClosed = false;

  constructor(deps: FleetLimitsDeps) {
    this.#deps = deps;
    this.#remembered = new Map(deps.remembered);
    this.#budget = deps.budget;
  }

  get budget(): number | null {
    return this.#budget;
  }

  /** Changes the budget of the fleet; resolves when the hives were told. */
  async setBudget(budget: number | null): Promise<void> {
    this.#budget = budget;
    await this.#divideNow();
  }

  /** Changes the limits of one hive; resolves when it was told, or is away and will be told when it is back. */
  async change(hive: Hive, patch: RunTimeSettingsPatch): Promise<void> {
    const before = this.#of(hive.hive_id);
    const { max_bandwidth, max_concurrent_downloads } = patch;
    this.#keep(hive.hive_id, {
      ...before,
      wanted: {
        ...before.wanted,
        ...(max_bandwidth === undefined ? {} : { max_bandwidth }),
        ...(max_concurrent_downloads === undefined ? {} : { max_concurrent_downloads }),
      },
    });
    await this.#divideNow();
  }

  /** A hive has come, or come back: what it has by itself is asked for, and it is given what it should have. */
  async onArrival(hive: Hive): Promise<void> {
    this.#known.delete(hive.hive_id);
    if (this.#asking.has(hive.hive_id)) return;
    this.#asking.add(hive.hive_id);
    try {
      const settings = await this.#deps.getSettings(hive);
      // It may have been forgotten while it was asked.
      if (!this.#deps.hives().some(({ hive_id }) => hive_id === hive.hive_id)) return;
      const remembered = this.#of(hive.hive_id);
      // A limit that the queen gave is not the hive's own; any other was set at the hive, or by its start.
      if (!remembered.given.includes(settings.max_bandwidth))
        this.#keep(hive.hive_id, { ...remembered, own: settings.max_bandwidth, given: [] });
      this.#learn(hive.hive_id, settings, null);
      await this.#divideNow();
    } catch (error) {
      this.#deps.log.warn({ hiveId: hive.hive_id, err: error }, 'the limits of a hive cannot be asked for');
    } finally {
      this.#asking.delete(hive.hive_id);
    }
  }

  /** A hive has said how it is, or has gone: the budget is divided anew shortly. */
  onHeartbeat(hive: Hive): void {
    if (hive.online && !this.#known.has(hive.hive_id) && !this.#isClosed) void this.onArrival(hive);
    if (this.#cancelTimer !== null || this.#isClosed) return;
    this.#cancelTimer = this.#deps.clock.setTimer(GATHER_MS, () => {
      this.#cancelTimer = null;
      void this.#divideNow();
    });
  }

  /** The hive is no more: what was asked for it goes too, since names that come and go must not fill the memory. */
  forget(hiveId: string): void {
    this.#known.delete(hiveId);
    if (this.#remembered.delete(hiveId)) this.#deps.forget(hiveId);
  }

  /** Gives nothing more; resolves when nothing is under way. Hives keep what they have. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    await this.#round;
  }

  /** One round at a time. Those who ask during it share the next, or beats would queue up behind a hive that is slow. */
  #divideNow(): Promise<void> {
    if (this.#nextRound !== null) return this.#nextRound;
    this.#nextRound = this.#round.then(() => {
      this.#nextRound = null;
      return this.#divideBudget();
    });
    this.#round = this.#nextRound;
    return this.#round;
  }

  /** Lowers first and raises after, so that the hives never have more than the budget together. */
  async #divideBudget(): Promise<void> {
    if (this.#isClosed) return;
    const targets = this.#targets();
    const isLower = ([hive, target]: [Hive, number]) => target < asNumber(this.#limitOf(hive));
    const lowered = await Promise.all(targets.filter(isLower).map((pair) => this.#give(...pair)));
    const others = targets.filter(([hive, target]) => !isLower([hive, target]));
    if (lowered.every(Boolean)) await Promise.all(others.map((pair) => this.#give(...pair)));
  }

  /** The limit that each hive that is online should have; `Infinity` is none. */
  #targets(): [Hive, number][] {
    const now = this.#deps.clock.now();
    const hives = this.#deps.hives().filter(({ online, hive_id }) => online && this.#known.has(hive_id));
    for (const hive of hives) {
      const known = this.#known.get(hive.hive_id);
      if (known) known.sinceMs = isDownloading(hive) ? (known.sinceMs ?? now) : null;
    }
    const idle = hives.filter((hive) => !isDownloading(hive));
    return [...idle.map((hive): [Hive, number] => [hive, this.#capOf(hive)]), ...this.#shares(hives, now)];
  }

  #shares(hives: readonly Hive[], now: number): [Hive, number][] {
    const busy = hives.filter(isDownloading);
    const caps = busy.map((hive) => this.#capOf(hive));
    if (this.#budget === null) return busy.map((hive, index) => [hive, caps[index] ?? Number.POSITIVE_INFINITY]);
    const demands = busy.map((hive) => {
      const memory = this.#known.get(hive.hive_id) ?? { sinceMs: null };
      return demandOf(hive, this.#limitOf(hive), memory, now);
    });
    const claims = caps.map((cap, index) => ({ cap, demand: demands[index] ?? Number.POSITIVE_INFINITY }));
    // To a hive 0 would mean unlimited.
    const shares = divideBudget(claims, this.#budget).map((share) => Math.max(1, share));
    const inForce = busy.map((hive) => asNumber(this.#limitOf(hive)));
    const isNear = shares.every((share, index) => Math.abs(share - (inForce[index] ?? 0)) <= TOLERANCE * share);
    const isLegal =
      inForce.reduce((sum, limit) => sum + limit, 0) <= this.#budget &&
      inForce.every((limit, index) => limit <= (caps[index] ?? 0));
    const chosen = isNear && isLegal ? inForce : shares;
    return busy.map((hive, index) => [hive, chosen[index] ?? 1]);
  }

  #capOf({ hive_id }: Hive): number {
    const { wanted, own } = this.#of(hive_id);
    return asNumber(wanted.max_bandwidth === undefined ? own : wanted.max_bandwidth);
  }

  #limitOf({ hive_id }: Hive): number | null {
    return this.#known.get(hive_id)?.inForce.max_bandwidth ?? null;
  }

  /** Whether the hive has now what it should. */
  async #give(hive: Hive, target: number): Promise<boolean> {
    const known = this.#known.get(hive.hive_id);
    if (!known) return false;
    const limit = Number.isFinite(target) ? target : null;
    const wanted = this.#of(hive.hive_id).wanted.max_concurrent_downloads ?? known.inForce.max_concurrent_downloads;
    const patch: RunTimeSettingsPatch = {
      ...(limit === known.inForce.max_bandwidth ? {} : { max_bandwidth: limit }),
      ...(wanted === known.inForce.max_concurrent_downloads ? {} : { max_concurrent_downloads: wanted }),
    };
    if (Object.keys(patch).length === 0) return true;
    try {
      // Before it is told: a queen that is killed in between must still know this limit for her own.
      const { given } = this.#of(hive.hive_id);
      this.#keep(hive.hive_id, { ...this.#of(hive.hive_id), given: [...given.slice(-1), limit] });
      const isRaise = target > asNumber(known.inForce.max_bandwidth);
      const settings = await this.#deps.patchSettings(hive, patch);
      const sinceMs = isRaise && known.sinceMs !== null ? this.#deps.clock.now() : known.sinceMs;
      if (this.#known.get(hive.hive_id) === known) this.#learn(hive.hive_id, settings, sinceMs);
      return true;
    } catch (error) {
      this.#deps.log.warn({ hiveId: hive.hive_id, err: error }, 'a hive could not be given its limits');
      return false;
    }
  }

  #learn(hiveId: string, inForce: RunTimeSettings, sinceMs: number | null): void {
    this.#known.set(hiveId, { inForce, sinceMs });
    this.#deps.onSettings(hiveId, inForce);
  }

  #of(hiveId: string): Remembered {
    return this.#remembered.get(hiveId) ?? { wanted: {}, own: null, given: [] };
  }

  #keep(hiveId: string, limits: Remembered): void {
    this.#remembered.set(hiveId, limits);
    this.#deps.remember(hiveId, limits);
  }
}

function asNumber(limit: number | null): number {
  return limit ?? Number.POSITIVE_INFINITY;
}
