import { type Clock, type DownloadId, formatBytes, type RunningFile } from '@rbee/contract';
import type { DownloadTracker, LiveStatus } from '@rbee/download-tracker';
import { bindNarration, narrate } from '@rbee/jobs';
import type { TransferState } from '@rbee/transfer';
import type { SourceFile } from '../sources/source.ts';
import type { BlobWatcher } from './single-flight.ts';

type Counted = Pick<TransferState, 'bytes' | 'reused' | 'wasted'>;

/** Adds up the transfers of a download's files, several of which run in parallel, into the download's own numbers. */
export interface DownloadProgress {
  /** Bytes of all files; null while one is unknown. */
  readonly total: number | null;
  /** How long the verify has taken that came after the last byte; null if there was none. */
  readonly verifiedMs: number | null;
  /** Starts following a file. */
  begin(index: number): FileProgress;
}

interface FileProgress extends BlobWatcher {
  /** The file waits for the download's slot, or does not any more. */
  readonly onQueued: (isQueued: boolean) => void;
  /** The file is complete. */
  readonly done: () => void;
}

/** `present`: for each file, the bytes on disk that count. They stand for the file until its transfer reports a state. */
export function createDownloadProgress(
  { tracker, clock }: { readonly tracker: DownloadTracker; readonly clock: Pick<Clock, 'elapsed'> },
  id: DownloadId,
  files: readonly SourceFile[],
  present: readonly number[],
): DownloadProgress {
  const total = sumOrNull(files.map((file) => file.size));
  const earlier = tracker.get(id);
  const counted: Counted[] = files.map((_, index) => {
    const bytes = present[index] ?? 0;
    return { bytes, reused: bytes, wasted: 0 };
  });
  const running = new Map<number, TransferState>();
  /** Files that wait for the download's slot. */
  const queued = new Set<number>();
  /** Files of which something is left to fetch. */
  const left = new Set<number>();
  for (const [index, { size }] of files.entries()) if (size === null || (present[index] ?? 0) < size) left.add(index);
  let hasBegun = false;
  /** A transfer has reported, not only a look at the store. */
  let hasTransfers = false;
  let verifiesSinceMs: number | null = null;
  // A transfer that another download leads calls back in the context of that one.
  const inContext = bindNarration((work: () => void) => work());
  let bytes = present.reduce((sum, each) => sum + each, 0);
  let reused = bytes;
  const before = bytes;
  // Bytes that a previous run of this download had on disk and that are gone now were wasted.
  let wasted = earlier.bytes_wasted + Math.max(0, earlier.bytes - bytes);
  let filesDone = 0;
  update({ total, filesTotal: files.length });

  /** One status for all files, so that it does not change with each of them. */
  function status(): LiveStatus {
    if (queued.size > 0 && queued.size === running.size) return 'queued';
    if (left.size === 0) return 'verifying';
    return hasBegun ? 'downloading' : 'starting';
  }

  function update(more: { total?: number | null; filesTotal?: number } = {}): void {
    const states = [...running.values()];
    const [first] = running.keys();
    const next = first === undefined ? null : status();
    // Whatever has its slot again begins like any other.
    if (next !== null && next !== 'queued' && tracker.get(id).status === 'queued') {
      tracker.update(id, { status: 'starting' });
    }
    tracker.update(id, {
      ...more,
      ...(first === undefined || next === null ? {} : { status: next, file: files[first]?.path ?? null }),
      bytes,
      // Bytes fetched by a previous run do not count as reused: they were not there before the download.
      bytesReused: earlier.bytes > 0 ? Math.max(0, earlier.bytes_reused + reused - before) : reused,
      bytesWasted: wasted,
      attempt: Math.max(1, ...states.map(({ attempt }) => attempt)),
      connections: states.reduce((sum, { connections }) => sum + connections, 0),
      files: [...running].map(([index, state]) => runningFile(files[index], state)),
      filesDone,
    });
  }

  function count(index: number, state: TransferState): void {
    const last = counted[index] ?? state;
    // A transfer taken over from another download may have discarded bytes before that.
    wasted += Math.max(0, state.wasted - last.wasted, last.bytes - state.bytes);
    bytes += state.bytes - last.bytes;
    reused += state.reused - last.reused;
    counted[index] = state;
    const size = state.total ?? files[index]?.size ?? null;
    hasBegun ||= state.phase === 'downloading';
    hasTransfers ||= state.phase !== 'verifying';
    if (state.phase === 'verifying' || (size !== null && state.bytes >= size)) left.delete(index);
    else left.add(index);
    noteVerify(state);
  }

  /** The digest of what came last; while bytes still arrive, digests take no time of their own. */
  function noteVerify({ phase }: TransferState): void {
    if (left.size > 0) verifiesSinceMs = null;
    if (left.size > 0 || phase !== 'verifying' || !hasTransfers || verifiesSinceMs !== null) return;
    verifiesSinceMs = clock.elapsed();
    const what = files.length === 1 ? (files[0]?.path ?? '') : `${files.length} files`;
    inContext(() => narrate('download_verify', `🔍 Verifying ${what} (${formatBytes(bytes)})`));
  }

  return {
    total,
    get verifiedMs() {
      return verifiesSinceMs === null ? null : clock.elapsed() - verifiesSinceMs;
    },
    begin(index) {
      const name = files[index]?.path ?? '';
      const { bytes: onDisk = 0 } = counted[index] ?? {};
      running.set(index, { ...presentState(onDisk), phase: 'starting', total: files[index]?.size ?? null });
      update();
      return {
        onState(state) {
          count(index, state);
          running.set(index, state);
          // The total of a single file is the download's; it may be known only from the first response.
          update(files.length === 1 ? { total: state.total } : {});
        },
        onNotice(notice) {
          tracker.notice(id, notice);
          inContext(() => narrate(`download_${notice.code.toLowerCase()}`, `🔁 ${name}: ${notice.message}`, 'warn'));
        },
        onQueued(isQueued) {
          if (isQueued) queued.add(index);
          else queued.delete(index);
          update();
        },
        done() {
          running.delete(index);
          queued.delete(index);
          left.delete(index);
          filesDone += 1;
          update();
        },
      };
    },
  };
}

/** The state of a file that is already in the store. */
export function presentState(size: number): TransferState {
  return { phase: 'verifying', bytes: size, total: size, reused: size, wasted: 0, attempt: 1, connections: 0 };
}

/** Narrates that a file need not be fetched. */
export function narratePresent(file: SourceFile, size: number): void {
  narrate('file_present', `📦 ${file.path} is already in the store (${formatBytes(size)})`);
}

function runningFile(file: SourceFile | undefined, state: TransferState): RunningFile {
  const { bytes, phase: status } = state;
  return { name: file?.path ?? '', bytes, total: state.total ?? file?.size ?? null, status };
}

function sumOrNull(sizes: readonly (number | null)[]): number | null {
  return sizes.reduce<number | null>((sum, size) => (sum === null || size === null ? null : sum + size), 0);
}
