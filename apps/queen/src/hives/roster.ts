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
import type { Occupant } from './client.ts';
import { type FollowHeartbeatsDeps, followHeartbeats } from './follow-heartbeats.ts';
import { addressOf, createHiveEntry, type HiveEntry, toHive } from './hive-entry.ts';
import { createListeners } from './listeners.ts';

/** Three missed heartbeats of one second each, and half a second for the network. */
const OFFLINE_AFTER_MS = 3_500;
/** Timeout for asking which hive is at the old address of one that says it has moved. */
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
  readonly whoIsAt: (hiveUrl: string, timeoutMs: number) => Promise<Occupant>;
  readonly remember: (hive: RememberedHive) => void;
  readonly forget: (hiveId: string) => void;
  /** `heartbeat` is the newest one, also for a hive that left. */
  readonly onEvent: (event: HiveEvent, hive: Hive, heartbeat: HiveHeartbeat | null) => void;
  /** What a list says about a hive may have changed, other than by a heartbeat; null when it was forgotten. */
  readonly onChange?: (hiveId: string, hive: Hive | null) => void;
}

/** All hives: fixed, registered, and known from a previous run. The heartbeats of each are followed. */
export class Roster {
  readonly #deps: RosterDeps;
  readonly #entries = new Map<string, HiveEntry>();
  readonly #onArrival = createListeners();
  readonly #onLeave = createListeners();

  constructor(deps: RosterDeps) {
    this.#deps = deps;
  }

  /** Adds a hive that has not been seen in this run. */
  add(hiveId: string, hiveUrl: string, lastSeenAtMs: number | null = null): void {
    this.#add(hiveId, addressOf(hiveUrl), lastSeenAtMs);
  }

  /**
   * Registers a hive; a repeat changes nothing. A hive that moved is followed at its new address once the old one is given
   * up: it has another hive or none, or has been silent. It is online from its first heartbeat.
   * @throws RbeeError STATUS_CONFLICT when another hive has that name
   */
  async register(ready: HiveReady): Promise<Hive> {
    const { hive_id } = ready;
    const hiveUrl = addressOf(ready.hive_url);
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
    if (!entry) return;
    entry.settings = settings;
    this.#changed(entry);
  }

  /** Calls back each time the hive arrives; returns a function that removes the listener. */
  onArrival(hiveId: string, listener: () => void): () => void {
    return this.#onArrival.add(hiveId, listener);
  }

  /**
   * Calls back each time the hive goes offline, or has not been heard of since it was added: what is open to it may lead
   * nowhere without an error, such as a connection to a frozen process. Returns a function that removes the listener.
   */
  onLeave(hiveId: string, listener: () => void): () => void {
    return this.#onLeave.add(hiveId, listener);
  }

  /**
   * Forgets a hive that is gone for good.
   * @throws RbeeError HIVE_NOT_FOUND, STATUS_CONFLICT while it is online
   */
  remove(hiveId: string): Hive {
    const entry = this.#entry(hiveId);
    if (entry.online)
      throw new RbeeError('STATUS_CONFLICT', `the hive ${hiveId} is online`, {
        hint: 'stop the hive first: it would register again',
      });
    this.#forget(entry);
    return toHive(entry);
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
    this.#watchSilence(entry);
    this.#follow(entry);
    this.#changed(entry);
    return entry;
  }

  /** Drops the hive that has been offline for the longest time: machine names that come and go must not fill the list. */
  #evictOldest(): void {
    const offline = [...this.#entries.values()].filter((entry) => !entry.online);
    const [first, ...others] = offline;
    if (!first) throw new RbeeError('STATUS_CONFLICT', `the queen already has ${MAX_HIVES} hives online, its maximum`);
    const oldest = others.reduce((a, b) => ((a.lastSeenAtMs ?? 0) <= (b.lastSeenAtMs ?? 0) ? a : b), first);
    this.#forget(oldest);
  }

  #forget(entry: HiveEntry): void {
    entry.controller.abort();
    entry.cancelOffline();
    this.#entries.delete(entry.hiveId);
    this.#deps.forget(entry.hiveId);
    this.#deps.onChange?.(entry.hiveId, null);
    this.#onLeave.call(entry.hiveId);
  }

  /** A hive whose heartbeats arrive keeps its name, and one that was only just heard of until its address is known to be free. */
  async #assertGone(entry: HiveEntry): Promise<void> {
    const { hiveId, hiveUrl } = entry;
    const isHeard = () => entry.online && entry.isConnected;
    if (!isHeard()) {
      const occupant = await this.#deps.whoIsAt(hiveUrl, IDENTIFY_TIMEOUT_MS);
      const mayReturn = entry.online && occupant.isSilent;
      if (occupant.hiveId !== hiveId && !mayReturn && !isHeard()) return;
    }
    throw new RbeeError('STATUS_CONFLICT', `another hive named ${hiveId} is running at ${hiveUrl}`, {
      hint: 'give each hive its own name: RBEE_HIVE_ID',
    });
  }

  #move(entry: HiveEntry, hiveUrl: string): void {
    this.#deps.log.info({ hiveId: entry.hiveId, from: entry.hiveUrl, to: hiveUrl }, 'a hive has moved');
    this.#leave(entry);
    entry.hiveUrl = hiveUrl;
    this.#remember(entry);
    this.#watchSilence(entry);
    this.#follow(entry);
    this.#changed(entry);
  }

  /** Follows a hive's heartbeats, in place of any earlier follower. */
  #follow(entry: HiveEntry): void {
    entry.controller.abort();
    entry.controller = new AbortController();
    // Outlives the request by which the hive registers, so it must not log under that request's id.
    withoutLogFields(
      () =>
        void followHeartbeats(this.#deps, entry, entry.controller.signal, {
          onHeartbeat: (heartbeat, isFirst) => this.#onHeartbeat(entry, heartbeat, isFirst),
          onProblem: () => this.#changed(entry),
          onLost: () => {
            // It said that it stops, and now it has.
            if (entry.online && entry.heartbeat?.draining === true) this.#leave(entry);
          },
        }),
    );
  }

  #onHeartbeat(entry: HiveEntry, heartbeat: HiveHeartbeat, isFirst: boolean): void {
    const { clock, onEvent } = this.#deps;
    const isArrival = isFirst || !entry.online;
    entry.heartbeat = heartbeat;
    entry.lastSeenAtMs = clock.now();
    entry.online = true;
    this.#watchSilence(entry);
    if (isArrival) this.#remember(entry);
    onEvent(isArrival ? 'arrived' : 'heartbeat', toHive(entry), heartbeat);
    if (isArrival) this.#onArrival.call(entry.hiveId);
  }

  #watchSilence(entry: HiveEntry): void {
    entry.cancelOffline();
    entry.cancelOffline = this.#deps.clock.setTimer(OFFLINE_AFTER_MS, () => {
      const wasOnline = entry.online;
      this.#leave(entry);
      // The connection may be half open; a new one also notices immediately when the hive is back.
      if (wasOnline) this.#follow(entry);
    });
  }

  #leave(entry: HiveEntry): void {
    entry.cancelOffline();
    const wasOnline = entry.online;
    entry.online = false;
    if (wasOnline) {
      this.#remember(entry);
      this.#deps.onEvent('left', toHive(entry), entry.heartbeat);
    }
    this.#onLeave.call(entry.hiveId);
  }

  #changed(entry: HiveEntry): void {
    this.#deps.onChange?.(entry.hiveId, toHive(entry));
  }

  #remember({ hiveId, hiveUrl, lastSeenAtMs }: HiveEntry): void {
    this.#deps.remember({ hive_id: hiveId, hive_url: hiveUrl, last_seen_ms: lastSeenAtMs });
  }
}
