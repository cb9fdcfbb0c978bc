import {
  type Clock,
  type Hive,
  type HiveHeartbeat,
  type HiveReady,
  RbeeError,
  type RunTimeSettings,
} from '@rbee/contract';
import { withoutLogFields } from '@rbee/daemon';
import type { Dispatcher } from 'undici';
import { type FollowHeartbeatsDeps, followHeartbeats } from './follow-heartbeats.ts';
import { createHiveEntry, type HiveEntry, toHive } from './hive-entry.ts';

/** Three missed heartbeats of one second each, and half a second for the network. */
const OFFLINE_AFTER_MS = 3_500;
/** Timeout for checking whether a hive that says it has moved is still at its old address. */
const IDENTIFY_TIMEOUT_MS = 1_000;
const MAX_HIVES = 1_000;

/** What happens to a hive. `arrived` is the first heartbeat of a connection: the hive may have been restarted. */
type HiveEvent = 'arrived' | 'heartbeat' | 'left';

/** The facts about a hive that survive a restart. */
export interface RememberedHive {
  readonly hive_id: string;
  readonly hive_url: string;
  readonly last_seen_ms: number | null;
}

export interface RosterDeps {
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  /** Sent with every request to a hive. */
  readonly headers: Readonly<Record<string, string>>;
  readonly log: FollowHeartbeatsDeps['log'];
  /** The id of the hive at a URL; null when none responds in time. */
  readonly identify: (hiveUrl: string, timeoutMs: number) => Promise<string | null>;
  readonly remember: (hive: RememberedHive) => void;
  readonly forget: (hiveId: string) => void;
  /** `heartbeat` is the newest one, also for a hive that left. */
  readonly onEvent: (event: HiveEvent, hive: Hive, heartbeat: HiveHeartbeat | null) => void;
}

/** All hives: fixed, registered, and known from a previous run. The heartbeats of each are followed. */
export class Roster {
  readonly #deps: RosterDeps;
  readonly #entries = new Map<string, HiveEntry>();
  readonly #onArrival = new Map<string, Set<() => void>>();

  constructor(deps: RosterDeps) {
    this.#deps = deps;
  }

  /** Adds a hive that has not been seen in this run. */
  add(hiveId: string, hiveUrl: string, lastSeenAtMs: number | null = null): void {
    this.#add(hiveId, withoutSlash(hiveUrl), lastSeenAtMs);
  }

  /**
   * Registers a hive; a repeat changes nothing. A hive that moved is followed at its new address once the old one no longer
   * responds. It is online from its first heartbeat.
   * @throws RbeeError STATUS_CONFLICT when another hive has that name
   */
  async register(ready: HiveReady): Promise<Hive> {
    const { hive_id } = ready;
    const hiveUrl = withoutSlash(ready.hive_url);
    const known = this.#entries.get(hive_id);
    if (known && known.hiveUrl !== hiveUrl) await this.#assertGone(known);
    const entry = this.#entries.get(hive_id) ?? this.#add(hive_id, hiveUrl, null);
    if (entry.hiveUrl !== hiveUrl) this.#move(entry, hiveUrl);
    // The follower is waiting for its next try, which can succeed now.
    else if (!entry.isConnected) this.#follow(entry);
    return toHive(entry);
  }

  /** @throws RbeeError HIVE_NOT_FOUND */
  get(hiveId: string): Hive {
    return toHive(this.#entry(hiveId));
  }

  has(hiveId: string): boolean {
    return this.#entries.has(hiveId);
  }

  list(): Hive[] {
    return [...this.#entries.values()].map(toHive);
  }

  /** Sets the settings in force at a hive, for lists. */
  setSettings(hiveId: string, settings: RunTimeSettings): void {
    const entry = this.#entries.get(hiveId);
    if (entry) entry.settings = settings;
  }

  /** Calls back each time the hive arrives; returns a function that removes the listener. */
  onArrival(hiveId: string, listener: () => void): () => void {
    const listeners = this.#onArrival.get(hiveId) ?? new Set();
    this.#onArrival.set(hiveId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#onArrival.get(hiveId) === listeners) this.#onArrival.delete(hiveId);
    };
  }

  /** Stops following all hives, and keeps when each was last seen. */
  close(): void {
    for (const entry of this.#entries.values()) {
      entry.controller.abort();
      entry.cancelOffline();
      this.#remember(entry);
    }
  }

  #entry(hiveId: string): HiveEntry {
    const entry = this.#entries.get(hiveId);
    if (entry) return entry;
    const names = [...this.#entries.keys()].slice(0, 10).join(', ');
    throw new RbeeError('HIVE_NOT_FOUND', `there is no hive ${hiveId}`, {
      hint: names === '' ? 'no hive has registered yet' : `known hives: ${names}`,
    });
  }

  #add(hiveId: string, hiveUrl: string, lastSeenAtMs: number | null): HiveEntry {
    if (this.#entries.size >= MAX_HIVES) this.#evictOldest();
    const entry = createHiveEntry(hiveId, hiveUrl, lastSeenAtMs);
    this.#entries.set(hiveId, entry);
    this.#remember(entry);
    this.#follow(entry);
    return entry;
  }

  /** Drops the hive that has been offline for the longest time: machine names that come and go must not fill the list. */
  #evictOldest(): void {
    const offline = [...this.#entries.values()].filter((entry) => !entry.online);
    const [first, ...others] = offline;
    if (!first) throw new RbeeError('STATUS_CONFLICT', `the queen already has ${MAX_HIVES} hives online, its maximum`);
    const oldest = others.reduce((a, b) => ((a.lastSeenAtMs ?? 0) <= (b.lastSeenAtMs ?? 0) ? a : b), first);
    oldest.controller.abort();
    this.#entries.delete(oldest.hiveId);
    this.#deps.forget(oldest.hiveId);
  }

  async #assertGone({ hiveId, hiveUrl }: HiveEntry): Promise<void> {
    if ((await this.#deps.identify(hiveUrl, IDENTIFY_TIMEOUT_MS)) !== hiveId) return;
    throw new RbeeError('STATUS_CONFLICT', `another hive named ${hiveId} is running at ${hiveUrl}`, {
      hint: 'give each hive its own name: RBEE_HIVE_ID',
    });
  }

  #move(entry: HiveEntry, hiveUrl: string): void {
    this.#deps.log.info({ hiveId: entry.hiveId, from: entry.hiveUrl, to: hiveUrl }, 'a hive has moved');
    this.#onLeave(entry);
    entry.hiveUrl = hiveUrl;
    this.#remember(entry);
    this.#follow(entry);
  }

  /** Follows a hive's heartbeats, in place of any earlier follower. */
  #follow(entry: HiveEntry): void {
    entry.controller.abort();
    entry.controller = new AbortController();
    // Outlives the request by which the hive registers, so it must not log under that request's id.
    withoutLogFields(
      () =>
        void followHeartbeats(this.#deps, entry, entry.controller.signal, (heartbeat, isFirst) =>
          this.#onHeartbeat(entry, heartbeat, isFirst),
        ),
    );
  }

  #onHeartbeat(entry: HiveEntry, heartbeat: HiveHeartbeat, isFirst: boolean): void {
    const { clock, onEvent } = this.#deps;
    entry.heartbeat = heartbeat;
    entry.lastSeenAtMs = clock.now();
    entry.online = true;
    entry.cancelOffline();
    entry.cancelOffline = clock.setTimer(OFFLINE_AFTER_MS, () => this.#onLeave(entry));
    if (isFirst) this.#remember(entry);
    onEvent(isFirst ? 'arrived' : 'heartbeat', toHive(entry), heartbeat);
    if (!isFirst) return;
    for (const listener of [...(this.#onArrival.get(entry.hiveId) ?? [])]) listener();
  }

  #onLeave(entry: HiveEntry): void {
    entry.cancelOffline();
    if (!entry.online) return;
    entry.online = false;
    this.#remember(entry);
    this.#deps.onEvent('left', toHive(entry), entry.heartbeat);
  }

  #remember({ hiveId, hiveUrl, lastSeenAtMs }: HiveEntry): void {
    this.#deps.remember({ hive_id: hiveId, hive_url: hiveUrl, last_seen_ms: lastSeenAtMs });
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}
