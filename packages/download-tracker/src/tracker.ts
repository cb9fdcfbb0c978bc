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
import { type Rate, sampleRate, speedOf, startRate } from './rate.ts';
import { toDownload, toProgress, toTerminalEvent } from './snapshot.ts';
import { type DownloadMove, type DownloadState, type DownloadUpdate, isEnded, transition } from './transition.ts';

/** Progress in bytes alone is emitted at most this often, and the speed is sampled as often. */
const TICK_MS = 250;
/** A speed that changes while no bytes arrive is emitted this often. */
const IDLE_EMIT_MS = 1_000;
const DEFAULT_HISTORY_LIMIT = 1_000;
/** Changes of these are kept over a restart; bytes are not, because the partial on disk has them. */
const KEPT_FIELDS = ['status', 'total', 'priority', 'maxBandwidth'] as const;

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
  state: DownloadState;
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
  readonly #keepListeners = new Set<(state: DownloadState) => void>();
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
      path: null,
      sha256: null,
      partial: null,
      error: null,
    };
    const entry = this.#add(state);
    this.#emitProgress(entry);
    this.#keep(entry);
    return toDownload(state, 0, nowMs);
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
    entry.dirty = true;
    if (KEPT_FIELDS.some((key) => entry.state[key] !== before[key])) this.#keep(entry);
    if (entry.state.status === before.status) return;
    // Speed is measured while bytes flow: each time a download starts to flow it starts a new average.
    if (entry.state.status === 'downloading' || before.status === 'downloading') {
      entry.rate = startRate(received(entry.state), this.#clock.now());
    }
    this.#emitProgress(entry);
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

  /** Calls back with each state that should outlive this process. */
  onKeep(listener: (state: DownloadState) => void): void {
    this.#keepListeners.add(listener);
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
    const nowMs = this.#clock.now();
    const rate = startRate(received(state), nowMs);
    const entry: Entry = { state, rate, dirty: false, emittedAtMs: nowMs, emittedSpeedBps: 0 };
    this.#entries.set(state.downloadId, entry);
    this.#forgetOldest();
    return entry;
  }

  #keep(entry: Entry): void {
    for (const listener of this.#keepListeners) listener(entry.state);
  }

  #entry(id: DownloadId): Entry {
    const entry = this.#entries.get(id);
    if (entry) return entry;
    throw new RbeeError('DOWNLOAD_NOT_FOUND', `there is no download ${id}`, { hint: 'list them with "download list"' });
  }

  #newest(entry: Entry): DownloadEvent {
    return toTerminalEvent(entry.state) ?? { event: 'progress', data: this.#progress(entry) };
  }

  #progress(entry: Entry) {
    return toProgress(entry.state, this.#speed(entry), this.#clock.now());
  }

  #snapshot(entry: Entry): Download {
    return toDownload(entry.state, this.#speed(entry), this.#clock.now());
  }

  #speed(entry: Entry): number {
    return entry.state.status === 'downloading' ? speedOf(entry.rate) : 0;
  }

  #move(entry: Entry, move: DownloadMove): void {
    entry.state = transition(entry.state, move, this.#clock.now());
    this.#scheduleTick();
  }

  #end(id: DownloadId, move: DownloadMove): void {
    const entry = this.#entry(id);
    // Unsent progress goes out before the end, so that a bar ends where the bytes did.
    if (entry.dirty && !isEnded(entry.state.status)) this.#emitProgress(entry);
    this.#move(entry, move);
    try {
      // Kept before it is emitted: a client that saw the end finds it after a restart too.
      this.#keep(entry);
    } finally {
      const terminal = toTerminalEvent(entry.state);
      if (terminal) this.#emit(terminal);
    }
  }

  #emitProgress(entry: Entry): void {
    entry.dirty = false;
    entry.emittedAtMs = this.#clock.now();
    entry.emittedSpeedBps = this.#speed(entry);
    this.#emit({ event: 'progress', data: this.#progress(entry) });
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
    const nowMs = this.#clock.now();
    for (const entry of this.#entries.values()) {
      if (!isRunning(entry.state)) continue;
      if (entry.state.status === 'downloading') entry.rate = sampleRate(entry.rate, received(entry.state), nowMs);
      const idleChange = this.#speed(entry) !== entry.emittedSpeedBps && nowMs - entry.emittedAtMs >= IDLE_EMIT_MS;
      if (entry.dirty || idleChange) this.#emitProgress(entry);
    }
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

/** Bytes received over the network since the download started; never falls, whatever had to be discarded. */
function received(state: DownloadState): number {
  return state.bytes + state.bytesWasted - state.bytesReused;
}
