import {
  type Clock,
  type Download,
  type DownloadEvent,
  type DownloadId,
  type Failure,
  type JobId,
  type Notice,
  type Partial as PartialFate,
  RbeeError,
  toTimestamp,
} from '@rbee/contract';
import { type Rate, sampleRate, skipTo, speedOf, startRate } from './rate.ts';
import { toDownload, toProgress, toTerminalEvent } from './snapshot.ts';
import { type DownloadMove, type DownloadState, type DownloadUpdate, isEnded, transition } from './transition.ts';

/** Progress in bytes alone is emitted at most this often, and the speed is sampled as often. */
const TICK_MS = 250;
/** A speed that changes while no bytes arrive is emitted this often. */
const IDLE_EMIT_MS = 1_000;
const DEFAULT_HISTORY_LIMIT = 1_000;
/** Changes of these are kept over a restart. */
const KEPT_FIELDS = ['status', 'total', 'priority', 'maxBandwidth'] as const;
/** What a request has changed, which must survive more than a restart. */
const REQUESTED_FIELDS = ['priority', 'maxBandwidth'] as const;
const REQUESTED_STATUSES: readonly DownloadState['status'][] = ['queued', 'paused'];

export interface StartDownload {
  readonly downloadId: DownloadId;
  readonly jobId: JobId;
  readonly hiveId: string;
  readonly modelRef: string;
  readonly priority: number;
  readonly maxBandwidth: number | null;
  readonly retryOf: DownloadId | null;
}

export interface NoticeInput {
  readonly code: Notice['code'];
  readonly message: string;
  readonly attempt?: number;
  readonly maxAttempts?: number;
  readonly nextRetryAtMs?: number;
}

interface Entry {
  /** Its `elapsedMs` is that of `elapsedAtMs`. */
  state: DownloadState;
  elapsedAtMs: number;
  /** Bytes that came over the network. Never falls, whatever is discarded. */
  received: number;
  rate: Rate;
  /** Something changed since the last event. */
  dirty: boolean;
  emittedAtMs: number;
  emittedSpeedBps: number;
}

export interface DownloadTrackerOptions {
  /** Maximum number of ended downloads that are remembered; the oldest go first. */
  readonly historyLimit?: number;
}

/**
 * The single source of truth about each download of a hive: status, bytes, speed and end. It does no I/O. A change of status
 * is emitted immediately, bytes at most every 250 ms and at least every second while they flow, the end exactly once.
 */
export class DownloadTracker {
  readonly #clock: Clock;
  readonly #historyLimit: number;
  readonly #entries = new Map<DownloadId, Entry>();
  readonly #listeners = new Set<(event: DownloadEvent) => void>();
  readonly #keepListeners = new Set<(state: DownloadState, isDurable: boolean) => void>();
  readonly #sendListeners = new Set<(states: readonly DownloadState[]) => void>();
  readonly #forgetListeners = new Set<(id: DownloadId) => void>();
  #cancelTick: (() => void) | null = null;

  constructor(deps: { readonly clock: Clock }, options: DownloadTrackerOptions = {}) {
    this.#clock = deps.clock;
    this.#historyLimit = options.historyLimit ?? DEFAULT_HISTORY_LIMIT;
  }

  /** Starts to track a download as `queued`. */
  start(download: StartDownload): Download {
    const nowMs = this.#clock.now();
    const state: DownloadState = {
      ...download,
      status: 'queued',
      bytes: 0,
      total: null,
      filesDone: 0,
      filesTotal: 0,
      file: null,
      files: [],
      attempt: 1,
      connections: 0,
      bytesReused: 0,
      bytesWasted: 0,
      createdAtMs: nowMs,
      startedAtMs: null,
      endedAtMs: null,
      elapsedMs: 0,
      path: null,
      sha256: null,
      partial: null,
      error: null,
    };
    const entry = this.#add(state);
    this.#emit(this.#newest(entry));
    this.#keep(entry, true);
    return toDownload(state, 0);
  }

  /**
   * Restores a download of a previous run. One that was running is `queued` again, because nothing works on it yet; a paused
   * one stays paused.
   */
  restore(state: DownloadState): void {
    const isWaiting = isEnded(state.status) || state.status === 'paused';
    const entry = this.#add({ ...state, status: isWaiting ? state.status : 'queued', connections: 0, files: [] });
    this.#emit(this.#newest(entry));
  }

  /** Undoes `start`, for a download that could not begin: it is forgotten without an end. */
  undo(id: DownloadId): void {
    this.#entry(id);
    this.#forget(id);
  }

  /** Forgets an ended download. */
  remove(id: DownloadId): void {
    if (!isEnded(this.#entry(id).state.status)) throw new Error(`${id} has not ended: it cannot be forgotten`);
    this.#forget(id);
  }

  /**
   * Applies changes. A new status is emitted immediately.
   * @throws Error on an illegal move; the state stays unchanged
   */
  update(id: DownloadId, update: DownloadUpdate): void {
    const entry = this.#entry(id);
    const before = entry.state;
    this.#move(entry, { type: 'update', update });
    entry.received += arrived(before, entry.state);
    entry.dirty = true;
    const hasNew = (keys: readonly (keyof DownloadState)[]) => keys.some((key) => entry.state[key] !== before[key]);
    const hasMoved = entry.state.status !== before.status;
    if (hasNew(KEPT_FIELDS)) {
      const isRequested = hasMoved && REQUESTED_STATUSES.includes(entry.state.status);
      this.#keep(entry, isRequested || hasNew(REQUESTED_FIELDS));
    }
    if (!hasMoved) return;
    if (entry.state.status === 'downloading') this.#measure(entry, before.status);
    this.#emitProgress([entry]);
  }

  /** Emits a notice. */
  notice(id: DownloadId, notice: NoticeInput): void {
    const entry = this.#entry(id);
    if (isEnded(entry.state.status)) throw new Error(`${id} has ended: it cannot have notices`);
    const { code, message, attempt, maxAttempts, nextRetryAtMs } = notice;
    const data: Notice = {
      download_id: id,
      code,
      message,
      ...(attempt === undefined ? {} : { attempt }),
      ...(maxAttempts === undefined ? {} : { max_attempts: maxAttempts }),
      ...(nextRetryAtMs === undefined ? {} : { next_retry_at: toTimestamp(nextRetryAtMs) }),
    };
    this.#emit({ event: 'notice', data });
  }

  complete(id: DownloadId, result: { readonly path: string; readonly sha256: string | null }): void {
    this.#end(id, { type: 'complete', ...result });
  }

  fail(id: DownloadId, failure: Failure): void {
    this.#end(id, { type: 'fail', failure });
  }

  cancel(id: DownloadId, partial: PartialFate): void {
    this.#end(id, { type: 'cancel', partial });
  }

  /** What a failed or cancelled download left on disk is gone. Its readers have had their last event. */
  discard(id: DownloadId): void {
    const entry = this.#entry(id);
    this.#move(entry, { type: 'discard' });
    this.#keep(entry, false);
  }

  /** Whether the download is known. */
  has(id: DownloadId): boolean {
    return this.#entries.has(id);
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  get(id: DownloadId): Download {
    return this.#snapshot(this.#entry(id));
  }

  /** Every known download, newest first. */
  list(): Download[] {
    return [...this.#entries.values()].reverse().map((entry) => this.#snapshot(entry));
  }

  /** Calls back for every event of every download; returns a function that removes the listener. */
  onEvent(listener: (event: DownloadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls back with each state that should outlive this process; with a durable one, a power failure too. */
  onKeep(listener: (state: DownloadState, isDurable: boolean) => void): void {
    this.#keepListeners.add(listener);
  }

  /** Calls back with the states of the next `progress` events, before they are emitted. */
  onSend(listener: (states: readonly DownloadState[]) => void): void {
    this.#sendListeners.add(listener);
  }

  /** Calls back for each download that is forgotten, on request or because it is old. */
  onForget(listener: (id: DownloadId) => void): void {
    this.#forgetListeners.add(listener);
  }

  /** Stops the timer; the state can still be read. */
  close(): void {
    this.#cancelTick?.();
    this.#cancelTick = null;
  }

  #add(state: DownloadState): Entry {
    if (this.#entries.has(state.downloadId)) throw new Error(`${state.downloadId} is tracked already`);
    const nowMs = this.#clock.elapsed();
    const rate = startRate(0, nowMs);
    const entry: Entry = {
      ...{ state, elapsedAtMs: nowMs, received: 0, rate },
      ...{ dirty: false, emittedAtMs: nowMs, emittedSpeedBps: 0 },
    };
    this.#entries.set(state.downloadId, entry);
    this.#forgetOldest();
    return entry;
  }

  #keep(entry: Entry, isDurable: boolean): void {
    for (const listener of this.#keepListeners) listener(entry.state, isDurable);
  }

  #entry(id: DownloadId): Entry {
    const entry = this.#entries.get(id);
    if (entry) return entry;
    throw new RbeeError('DOWNLOAD_NOT_FOUND', `there is no download ${id}`, { hint: 'list them with "download list"' });
  }

  #newest(entry: Entry): DownloadEvent {
    return toTerminalEvent(entry.state) ?? this.#progress(entry);
  }

  #progress(entry: Entry): DownloadEvent {
    this.#age(entry);
    return { event: 'progress', data: toProgress(entry.state, this.#speed(entry)) };
  }

  #snapshot(entry: Entry): Download {
    this.#age(entry);
    return toDownload(entry.state, this.#speed(entry));
  }

  /** Adds the time that has passed to what a download took so far. */
  #age(entry: Entry): void {
    const nowMs = this.#clock.elapsed();
    const { state, elapsedAtMs } = entry;
    entry.elapsedAtMs = nowMs;
    if (state.startedAtMs === null || isEnded(state.status) || nowMs === elapsedAtMs) return;
    entry.state = { ...state, elapsedMs: state.elapsedMs + (nowMs - elapsedAtMs) };
  }

  /** The average covers a download from its first byte to its last; a verify in between says nothing about speed. */
  #measure(entry: Entry, before: DownloadState['status']): void {
    const nowMs = this.#clock.elapsed();
    const { rate, received } = entry;
    entry.rate = before === 'verifying' ? skipTo(rate, received, nowMs) : startRate(received, nowMs);
  }

  #speed(entry: Entry): number {
    return entry.state.status === 'downloading' ? speedOf(entry.rate) : 0;
  }

  #move(entry: Entry, move: DownloadMove): void {
    this.#age(entry);
    entry.state = transition(entry.state, move, this.#clock.now());
    this.#scheduleTick();
  }

  #end(id: DownloadId, move: DownloadMove): void {
    const entry = this.#entry(id);
    // Unsent progress goes out before the end, so that a bar ends where the bytes did.
    if (entry.dirty && !isEnded(entry.state.status)) this.#emitProgress([entry]);
    this.#move(entry, move);
    try {
      // Kept before it is emitted: a client that saw the end finds it after a restart too.
      this.#keep(entry, true);
    } finally {
      const terminal = toTerminalEvent(entry.state);
      if (terminal) this.#emit(terminal);
    }
  }

  #emitProgress(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    const events = entries.map((entry) => {
      entry.dirty = false;
      entry.emittedAtMs = this.#clock.elapsed();
      entry.emittedSpeedBps = this.#speed(entry);
      return this.#progress(entry);
    });
    // First the disk: what a reader has seen must be known after a restart.
    for (const listener of this.#sendListeners) listener(entries.map(({ state }) => state));
    for (const event of events) this.#emit(event);
  }

  #emit(event: DownloadEvent): void {
    for (const listener of this.#listeners) listener(event);
  }

  #scheduleTick(): void {
    if (this.#cancelTick) return;
    if (![...this.#entries.values()].some((entry) => isRunning(entry.state))) return;
    this.#cancelTick = this.#clock.setTimer(TICK_MS, () => {
      this.#cancelTick = null;
      this.#tick();
      this.#scheduleTick();
    });
  }

  #tick(): void {
    const nowMs = this.#clock.elapsed();
    const due: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (!isRunning(entry.state)) continue;
      if (entry.state.status === 'downloading') entry.rate = sampleRate(entry.rate, entry.received, nowMs);
      const idleChange = this.#speed(entry) !== entry.emittedSpeedBps && nowMs - entry.emittedAtMs >= IDLE_EMIT_MS;
      if (entry.dirty || idleChange) due.push(entry);
    }
    this.#emitProgress(due);
  }

  #forget(id: DownloadId): void {
    this.#entries.delete(id);
    for (const listener of this.#forgetListeners) listener(id);
  }

  #forgetOldest(): void {
    let ended = 0;
    for (const entry of this.#entries.values()) if (isEnded(entry.state.status)) ended += 1;
    for (const [id, entry] of this.#entries) {
      if (ended <= this.#historyLimit) return;
      if (!isEnded(entry.state.status)) continue;
      this.remove(id);
      ended -= 1;
    }
  }
}

function isRunning(state: DownloadState): boolean {
  return !isEnded(state.status) && state.status !== 'queued' && state.status !== 'paused';
}

/** Bytes that came over the network between two states. Bytes on disk do not count, neither when found nor when lost. */
function arrived(before: DownloadState, after: DownloadState): number {
  const found = Math.max(0, after.bytesReused - before.bytesReused);
  return Math.max(0, after.bytes + after.bytesWasted - before.bytes - before.bytesWasted - found);
}
