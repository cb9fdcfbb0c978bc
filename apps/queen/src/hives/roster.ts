import {
  type Clock,
  type Hive,
  type HiveHeartbeat,
  type HiveReady,
  hiveHeartbeatSchema,
  hiveRoutes,
  pathOf,
  RbeeError,
  toTimestamp,
} from '@rbee/contract';
import { FollowError, follow } from '@rbee/event-stream';
import type { Dispatcher } from 'undici';

/** Three missed beats of one second each, and half a second for the road. */
const OFFLINE_AFTER_MS = 3_500;
/** After a hive refused its stream: asked again this much later. */
const REFUSED_RETRY_MS = 5_000;
const WATCHDOG_MS = 10_000;
const MAX_HIVES = 1_000;

interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RosterDeps {
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  /** Headers that hives want. */
  readonly headers: Readonly<Record<string, string>>;
  readonly log: Log;
}

interface Entry {
  readonly hiveId: string;
  readonly hiveUrl: string;
  readonly controller: AbortController;
  lastSeenAtMs: number | null;
  heartbeat: HiveHeartbeat | null;
}

/** The hives: fixed ones and those that registered, each followed by its heartbeat. */
export class Roster {
  readonly #deps: RosterDeps;
  readonly #entries = new Map<string, Entry>();

  constructor(deps: RosterDeps) {
    this.#deps = deps;
  }

  /** Adds a hive that has not been heard of yet. */
  addFixed(hiveId: string, hiveUrl: string): void {
    this.#add(hiveId, hiveUrl);
  }

  /**
   * A hive says that it is there. Saying so again changes nothing; one that moved is followed at its new address.
   * @throws RbeeError STATUS_CONFLICT when another hive of that name is online
   */
  register(ready: HiveReady): Hive {
    const { hive_id, hive_url } = ready;
    const known = this.#entries.get(hive_id);
    if (known && known.hiveUrl !== hive_url) {
      if (this.#isOnline(known)) {
        throw new RbeeError('STATUS_CONFLICT', `a hive named ${hive_id} is online already, at ${known.hiveUrl}`, {
          hint: 'give each hive a name of its own: RBEE_HIVE_ID',
        });
      }
      known.controller.abort();
      this.#entries.delete(hive_id);
    }
    const entry = this.#entries.get(hive_id) ?? this.#add(hive_id, hive_url);
    entry.lastSeenAtMs = this.#deps.clock.now();
    return this.#show(entry);
  }

  /** @throws RbeeError HIVE_NOT_FOUND */
  get(hiveId: string): Hive {
    const entry = this.#entries.get(hiveId);
    if (entry) return this.#show(entry);
    const names = [...this.#entries.keys()].slice(0, 10).join(', ');
    throw new RbeeError('HIVE_NOT_FOUND', `there is no hive ${hiveId}`, {
      hint: names === '' ? 'no hive has registered yet' : `there is ${names}`,
    });
  }

  list(): Hive[] {
    return [...this.#entries.values()].map((entry) => this.#show(entry));
  }

  close(): void {
    for (const entry of this.#entries.values()) entry.controller.abort();
  }

  #add(hiveId: string, hiveUrl: string): Entry {
    if (this.#entries.size >= MAX_HIVES)
      throw new RbeeError('STATUS_CONFLICT', `a queen knows ${MAX_HIVES} hives at most`);
    const entry: Entry = { hiveId, hiveUrl, controller: new AbortController(), lastSeenAtMs: null, heartbeat: null };
    this.#entries.set(hiveId, entry);
    void this.#listen(entry);
    return entry;
  }

  async #listen(entry: Entry): Promise<void> {
    const { signal } = entry.controller;
    const { clock, log } = this.#deps;
    while (!signal.aborted) {
      try {
        await this.#followHeartbeats(entry);
      } catch (error) {
        if (signal.aborted) return;
        const why = error instanceof FollowError ? error.message : String(error);
        log.warn({ hiveId: entry.hiveId, why }, 'the hive refuses its heartbeats');
        const { promise, resolve } = Promise.withResolvers<void>();
        const cancelTimer = clock.setTimer(REFUSED_RETRY_MS, resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
        await promise;
        cancelTimer();
      }
    }
  }

  async #followHeartbeats(entry: Entry): Promise<void> {
    const { dispatcher, headers, clock } = this.#deps;
    await follow({
      url: `${entry.hiveUrl}${pathOf(hiveRoutes.heartbeats)}`,
      events: ['heartbeat'],
      dispatcher,
      headers,
      signal: entry.controller.signal,
      watchdogMs: WATCHDOG_MS,
      isTerminal: () => false,
      onEvent: ({ data }) => {
        entry.heartbeat = hiveHeartbeatSchema.parse(JSON.parse(data));
        entry.lastSeenAtMs = clock.now();
      },
    });
  }

  #isOnline({ lastSeenAtMs }: Entry): boolean {
    return lastSeenAtMs !== null && this.#deps.clock.now() - lastSeenAtMs <= OFFLINE_AFTER_MS;
  }

  #show(entry: Entry): Hive {
    const { hiveId, hiveUrl, lastSeenAtMs, heartbeat } = entry;
    const online = this.#isOnline(entry);
    const counts = online ? heartbeat?.downloads : undefined;
    const active = ['queued', 'starting', 'downloading', 'verifying', 'paused'] as const;
    return {
      hive_id: hiveId,
      hive_url: hiveUrl,
      online,
      last_seen_at: lastSeenAtMs === null ? null : toTimestamp(lastSeenAtMs),
      version: heartbeat?.version ?? null,
      active_downloads: counts ? active.reduce((sum, status) => sum + counts[status], 0) : 0,
      speed_bps: online ? (heartbeat?.speed_bps ?? 0) : 0,
      free_bytes: heartbeat?.free_bytes ?? null,
    };
  }
}
