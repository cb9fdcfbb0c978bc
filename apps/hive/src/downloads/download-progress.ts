import { type DownloadId, formatBytes, type RunningFile } from '@rbee/contract';
import type { DownloadTracker, LiveStatus } from '@rbee/download-tracker';
import { narrate } from '@rbee/jobs';
import type { TransferState } from '@rbee/transfer';
import type { SourceFile } from '../sources/source.ts';
import type { BlobWatcher } from './single-flight.ts';

type Counted = Pick<TransferState, 'bytes' | 'reused' | 'wasted'>;

/** Adds up what the transfers of a download's files say, several at a time, into the download's own numbers. */
export interface Tally {
  /** Bytes of all files; null while one is unknown. */
  readonly total: number | null;
  /** Work on a file begins; one that is not there yet is under way until it is done. */
  begin(index: number): FileTally;
}

export interface FileTally extends BlobWatcher {
  /** The file is there in full. */
  readonly done: () => void;
}

/** `present`: for each file the bytes that are on disk already and count. Until a file is looked at they are what is known of it. */
export function createTally(
  tracker: DownloadTracker,
  id: DownloadId,
  files: readonly SourceFile[],
  present: readonly number[],
): Tally {
  const total = sumOrNull(files.map((file) => file.size));
  const earlier = tracker.get(id);
  const counted: Counted[] = files.map((_, index) => {
    const bytes = present[index] ?? 0;
    return { bytes, reused: bytes, wasted: 0 };
  });
  const running = new Map<number, TransferState>();
  let bytes = present.reduce((sum, each) => sum + each, 0);
  let reused = bytes;
  // What an earlier run of this download had on disk and is not there any more has gone since.
  let wasted = earlier.bytes_wasted + Math.max(0, earlier.bytes - bytes);
  let filesDone = 0;
  tell({ total, filesTotal: files.length });

  function tell(more: { total?: number | null; filesTotal?: number } = {}): void {
    const states = [...running.values()];
    const [first] = running.keys();
    tracker.update(id, {
      ...more,
      ...(first === undefined ? {} : { status: statusOf(states), file: files[first]?.path ?? null }),
      bytes,
      // What an earlier run fetched is not what was there before the download.
      bytesReused: earlier.bytes > 0 ? earlier.bytes_reused : reused,
      bytesWasted: wasted,
      attempt: Math.max(1, ...states.map(({ attempt }) => attempt)),
      connections: states.reduce((sum, { connections }) => sum + connections, 0),
      files: [...running].map(([index, state]) => runningFile(files[index], state)),
      filesDone,
    });
  }

  function count(index: number, state: TransferState): void {
    const last = counted[index] ?? state;
    // A transfer that was somebody else's may have thrown away what it had before this one took over.
    wasted += Math.max(0, state.wasted - last.wasted, last.bytes - state.bytes);
    bytes += state.bytes - last.bytes;
    reused += state.reused - last.reused;
    counted[index] = state;
  }

  return {
    total,
    begin(index) {
      const name = files[index]?.path ?? '';
      const { bytes: there = 0 } = counted[index] ?? {};
      running.set(index, { ...presentState(there), phase: 'starting', total: files[index]?.size ?? null });
      tell();
      return {
        onState(state) {
          count(index, state);
          running.set(index, state);
          // With one file its own total is the download's, also where only the first answer tells it.
          tell(files.length === 1 ? { total: state.total } : {});
        },
        onNotice(notice) {
          tracker.notice(id, notice);
          narrate(`download_${notice.code.toLowerCase()}`, `🔁 ${name}: ${notice.message}`, 'warn');
        },
        done() {
          running.delete(index);
          filesDone += 1;
          tell();
        },
      };
    },
  };
}

/** The state of a file that was there before. */
export function presentState(size: number): TransferState {
  return { phase: 'verifying', bytes: size, total: size, reused: size, wasted: 0, attempt: 1, connections: 0 };
}

/** What is said of a file that need not be fetched. */
export function narratePresent(file: SourceFile, size: number): void {
  narrate('file_present', `📦 ${file.path} is there already (${formatBytes(size)})`);
}

/** A download does what most tells of it: bytes come as long as those of one file do. */
function statusOf(states: readonly TransferState[]): LiveStatus {
  const phases = states.map(({ phase }) => phase);
  if (phases.includes('downloading')) return 'downloading';
  return phases.includes('verifying') ? 'verifying' : 'starting';
}

function runningFile(file: SourceFile | undefined, state: TransferState): RunningFile {
  const { bytes, phase: status } = state;
  return { name: file?.path ?? '', bytes, total: state.total ?? file?.size ?? null, status };
}

function sumOrNull(sizes: readonly (number | null)[]): number | null {
  return sizes.reduce<number | null>((sum, size) => (sum === null || size === null ? null : sum + size), 0);
}
