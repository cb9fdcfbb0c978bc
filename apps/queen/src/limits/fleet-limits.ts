import type { Clock, Hive, RunTimeSettings, RunTimeSettingsPatch } from '@rbee/contract';
import { type DemandMemory, demandOf, isDownloading } from './demand.ts';
import { divideBudget } from './divide-budget.ts';

/** Heartbeats that arrive within this time share one division. */
const GATHER_MS = 100;
/** A division that differs from the limits in force by no more than this share is not sent to the hives. */
const TOLERANCE = 0.05;

/** The limits of a hive that survive a restart. Bandwidths are bytes per second, null is unlimited. */
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
  /** Receives the settings that are in force at a hive. */
  readonly onSettings: (hiveId: string, settings: RunTimeSettings) => void;
  /** Receives a changed budget. */
  readonly onBudget?: (budget: number | null) => void;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /** Bytes per second over all hives; null is unlimited. */
  readonly budget: number | null;
}

/** A hive whose settings are known. */
interface Known extends DemandMemory {
  inForce: RunTimeSettings;
}

/**
 * The limits of the fleet: the requested limits of each hive, which a hive that comes back gets again, and one budget for
 * all, divided among the downloading hives at each heartbeat.
 */
export class FleetLimits {
  readonly #deps: FleetLimitsDeps;
  readonly #remembered: Map<string, Remembered>;
  readonly #known = new Map<string, Known>();
  readonly #refreshing = new Set<string>();
  #budget: number | null;
  #cancelTimer: (() => void) | null = null;
  #round: Promise<void> = Promise.resolve();
  /** A round that has not started yet, and so will see every change until it does; null when there is none. */
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

  /** Changes the budget of the fleet; resolves when the hives have their new limits. */
  async setBudget(budget: number | null): Promise<void> {
    this.#budget = budget;
    this.#deps.onBudget?.(budget);
    await this.#divideNow();
  }

  /** Changes the limits of one hive; resolves when they are in force, or kept for a hive that is offline. */
  async change(hive: Hive, patch: RunTimeSettingsPatch): Promise<void> {
    const before = this.#limitsFor(hive.hive_id);
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

  /** A hive has arrived or come back: reads its own settings and sends it the limits that it should have. */
  async onArrival(hive: Hive): Promise<void> {
    this.#known.delete(hive.hive_id);
    if (this.#refreshing.has(hive.hive_id)) return;
    this.#refreshing.add(hive.hive_id);
    try {
      const settings = await this.#deps.getSettings(hive);
      // It may have been forgotten during the request.
      if (!this.#deps.hives().some(({ hive_id }) => hive_id === hive.hive_id)) return;
      const remembered = this.#limitsFor(hive.hive_id);
      // A limit that the queen sent is not the hive's own; any other was set at the hive.
      if (!remembered.given.includes(settings.max_bandwidth))
        this.#keep(hive.hive_id, { ...remembered, own: settings.max_bandwidth, given: [] });
      this.#setInForce(hive.hive_id, settings, null);
      await this.#divideNow();
    } catch (error) {
      this.#deps.log.warn({ hiveId: hive.hive_id, err: error }, 'cannot read the limits of a hive');
    } finally {
      this.#refreshing.delete(hive.hive_id);
    }
  }

  /** A heartbeat came, with the limit in force, or a hive has gone: schedules a new division. */
  onHeartbeat(hive: Hive, inForce?: number | null): void {
    if (hive.online && !this.#known.has(hive.hive_id) && !this.#isClosed) void this.onArrival(hive);
    if (hive.online && inForce !== undefined) this.#onReported(hive, inForce);
    if (this.#cancelTimer !== null || this.#isClosed) return;
    this.#cancelTimer = this.#deps.clock.setTimer(GATHER_MS, () => {
      this.#cancelTimer = null;
      void this.#divideNow();
    });
  }

  /** A limit that the queen did not send was set at the hive: it is the hive's own, and the next division decides again. */
  #onReported({ hive_id: hiveId }: Hive, limit: number | null): void {
    const known = this.#known.get(hiveId);
    if (known === undefined || limit === known.inForce.max_bandwidth) return;
    const remembered = this.#limitsFor(hiveId);
    if (limit !== remembered.own && !remembered.given.includes(limit)) {
      this.#deps.log.info(
        { hiveId, limit, budget: this.#budget },
        'a limit was set at a hive; the queen decides again',
      );
      this.#keep(hiveId, { ...remembered, own: limit });
    }
    known.inForce = { ...known.inForce, max_bandwidth: limit };
    this.#deps.onSettings(hiveId, known.inForce);
  }

  /** Drops a hive with its limits: names that come and go must not fill the memory. */
  forget(hiveId: string): void {
    this.#known.delete(hiveId);
    if (this.#remembered.delete(hiveId)) this.#deps.forget(hiveId);
  }

  /** Sends nothing more; resolves when nothing is in flight. Hives keep the limits they have. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTimer?.();
    await this.#round;
  }

  /** One round at a time. Calls during a round share the next one, or heartbeats would queue up behind a slow hive. */
  #divideNow(): Promise<void> {
    if (this.#nextRound !== null) return this.#nextRound;
    this.#nextRound = this.#round.then(() => {
      this.#nextRound = null;
      return this.#divideBudget();
    });
    this.#round = this.#nextRound;
    return this.#round;
  }

  /** Lowers limits before it raises others, so that the hives never have more than the budget together. */
  async #divideBudget(): Promise<void> {
    if (this.#isClosed) return;
    const targets = this.#targets();
    const isLower = ([hive, target]: [Hive, number]) => target < asNumber(this.#limitOf(hive));
    const lowered = await Promise.all(targets.filter(isLower).map((pair) => this.#apply(...pair)));
    const others = targets.filter(([hive, target]) => !isLower([hive, target]));
    if (lowered.every(Boolean)) await Promise.all(others.map((pair) => this.#apply(...pair)));
  }

  /** The limit that each online hive should have; `Infinity` is none. */
  #targets(): [Hive, number][] {
    const now = this.#deps.clock.elapsed();
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
    // A hive takes 0 for unlimited.
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
    const { wanted, own } = this.#limitsFor(hive_id);
    return asNumber(wanted.max_bandwidth === undefined ? own : wanted.max_bandwidth);
  }

  #limitOf({ hive_id }: Hive): number | null {
    return this.#known.get(hive_id)?.inForce.max_bandwidth ?? null;
  }

  /** Sends the target; returns whether it is in force now. */
  async #apply(hive: Hive, target: number): Promise<boolean> {
    const known = this.#known.get(hive.hive_id);
    if (!known) return false;
    const limit = Number.isFinite(target) ? target : null;
    const wanted =
      this.#limitsFor(hive.hive_id).wanted.max_concurrent_downloads ?? known.inForce.max_concurrent_downloads;
    const patch: RunTimeSettingsPatch = {
      ...(limit === known.inForce.max_bandwidth ? {} : { max_bandwidth: limit }),
      ...(wanted === known.inForce.max_concurrent_downloads ? {} : { max_concurrent_downloads: wanted }),
    };
    if (Object.keys(patch).length === 0) return true;
    try {
      // Kept before it is sent: a queen killed in between must still recognise this limit as its own.
      const { given } = this.#limitsFor(hive.hive_id);
      this.#keep(hive.hive_id, { ...this.#limitsFor(hive.hive_id), given: [...given.slice(-1), limit] });
      const isRaise = target > asNumber(known.inForce.max_bandwidth);
      const settings = await this.#deps.patchSettings(hive, patch);
      const sinceMs = isRaise && known.sinceMs !== null ? this.#deps.clock.elapsed() : known.sinceMs;
      if (this.#known.get(hive.hive_id) === known) this.#setInForce(hive.hive_id, settings, sinceMs);
      return true;
    } catch (error) {
      this.#deps.log.warn({ hiveId: hive.hive_id, err: error }, 'cannot set the limits of a hive');
      return false;
    }
  }

  #setInForce(hiveId: string, inForce: RunTimeSettings, sinceMs: number | null): void {
    this.#known.set(hiveId, { inForce, sinceMs });
    this.#deps.onSettings(hiveId, inForce);
  }

  #limitsFor(hiveId: string): Remembered {
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
