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

/** Bytes alone are told at most this often, and the speed is sampled as often. */
const TICK_MS = 250;
/** A speed that changes while nothing arrives is told this often. */
const IDLE_EMIT_MS = 1_000;
const DEFAULT_HISTORY_LIMIT = 1_000;
/** Changes of these outlive the process; bytes do not, since the disk itself tells them. */
const WORTH_KEEPING = ['status', 'total', 'priority', 'maxBandwidth'] as const;

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
  /** Something changed that no event has told yet. */
  dirty: boolean;
  emittedAtMs: number;
  emittedSpeedBps: number;
}

export interface DownloadTrackerOptions {
  /** Ended downloads that are remembered; the oldest go first. */
  readonly historyLimit?: number;
}

/**
 * The one truth about each download of a hive: its status, bytes, speed and end. It does no I/O. A change of status is
 * told at once, bytes at most every 250 ms and at least every second while they flow, the end exactly once.
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

  /** Begins to track a download; it is `queued`. */
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
   * Takes up a download of an earlier life. One that was under way is `queued` again, since nobody works on it yet; a
   * paused one stays paused.
   */
  restore(state: DownloadState): void {
    const isWaiting = isEnded(state.status) || state.status === 'paused';
    const entry = this.#add({ ...state, status: isWaiting ? state.status : 'queued', connections: 0, files: [] });
    this.#emit(this.#newest(entry));
  }

  /** Forgets an ended download. */
  remove(id: DownloadId): void {
    if (!isEnded(this.#entry(id).state.status)) throw new Error(`${id} has not ended: it cannot be forgotten`);
    this.#entries.delete(id);
    for (const listener of this.#forgetListeners) listener(id);
  }

  /**
   * Takes what changed. A new status is told at once.
   * @throws Error on an illegal move; the state stays as it was
   */
  update(id: DownloadId, update: DownloadUpdate): void {
    const entry = this.#entry(id);
    const before = entry.state;
    this.#move(entry, { type: 'update', update });
    entry.dirty = true;
    if (WORTH_KEEPING.some((key) => entry.state[key] !== before[key])) this.#keep(entry);
    if (entry.state.status === before.status) return;
    // A speed belongs to bytes that flow: a download that begins to flow starts a new average.
    if (entry.state.status === 'downloading' || before.status === 'downloading') {
      entry.rate = startRate(received(entry.state), this.#clock.now());
    }
    this.#emitProgress(entry);
  }

  /** Tells the watchers something that is not the end. */
  notice(id: DownloadId, notice: NoticeInput): void {
    const entry = this.#entry(id);
    if (isEnded(entry.state.status)) throw new Error(`${id} has ended: it gives no notices`);
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

  /** Whether the download is remembered. */
  has(id: DownloadId): boolean {
    return this.#entries.has(id);
  }

  /** @throws RbeeError DOWNLOAD_NOT_FOUND */
  get(id: DownloadId): Download {
    return this.#snapshot(this.#entry(id));
  }

  /** Every download that is remembered, newest first. */
  list(): Download[] {
    return [...this.#entries.values()].reverse().map((entry) => this.#snapshot(entry));
  }

  /** Every event of every download, as it happens. The answer ends it. */
  onEvent(listener: (event: DownloadEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Every state that should outlive this process, at the moments when it matters. */
  onKeep(listener: (state: DownloadState) => void): void {
    this.#keepListeners.add(listener);
  }

  /** Every download that is forgotten, on request or for its age. */
  onForget(listener: (id: DownloadId) => void): void {
    this.#forgetListeners.add(listener);
  }

  /** Stops the clock's timer; what is tracked can still be read. */
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
    // What the last tick has not told goes out before the end, so that a bar ends where the bytes did.
    if (entry.dirty && !isEnded(entry.state.status)) this.#emitProgress(entry);
    this.#move(entry, move);
    // Kept before it is told: whoever heard of the end finds it after a restart too.
    this.#keep(entry);
    const terminal = toTerminalEvent(entry.state);
    if (terminal) this.#emit(terminal);
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

/** Bytes that came over the wire in this download's life: never falls, whatever had to be thrown away. */
function received(state: DownloadState): number {
  return state.bytes + state.bytesWasted - state.bytesReused;
}
