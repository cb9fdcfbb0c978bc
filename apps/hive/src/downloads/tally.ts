import { type DownloadId, formatBytes, type RunningFile } from '@rbee/contract';
import type { DownloadTracker, LiveStatus } from '@rbee/download-tracker';
import { narrate } from '@rbee/jobs';
import type { TransferState } from '@rbee/transfer';
import type { SourceFile } from '../sources/source.ts';
import type { BlobWatcher } from './blob-flights.ts';

const NOTHING: Pick<TransferState, 'bytes' | 'reused' | 'wasted'> = { bytes: 0, reused: 0, wasted: 0 };

/** Adds up what the transfers of a download's files say, one file after the other, into the download's own numbers. */
export interface Tally {
  /** Bytes of all files; null while one is unknown. */
  readonly total: number | null;
  /** The watcher for the next file. */
  begin(file: SourceFile): BlobWatcher;
  /** The file is there in full. */
  done(): void;
}

export function createTally(tracker: DownloadTracker, id: DownloadId, files: readonly SourceFile[]): Tally {
  const sizes = files.map((file) => file.size);
  const total = sizes.reduce<number | null>((sum, size) => (sum === null || size === null ? null : sum + size), 0);
  const earlier = tracker.get(id);
  /** What an earlier run of this download had on disk, until this one has come to where that ended. */
  let kept = earlier.bytes;
  let bytesWasted = earlier.bytes_wasted;
  let before = { bytes: 0, reused: 0 };
  let current = NOTHING;
  let filesDone = 0;
  tracker.update(id, { total, filesTotal: files.length, filesDone });

  /** Bytes never fall because a run starts from the front again: only what is really gone is counted as wasted. */
  const bytesOf = (state: TransferState, size: number | null): number => {
    const bytes = before.bytes + state.bytes;
    if (bytes >= kept) kept = 0;
    if (kept === 0) return bytes;
    const isWhereItEnded = size === null || before.bytes + size >= kept;
    if (state.phase === 'starting' || !isWhereItEnded) return kept;
    bytesWasted += kept - bytes;
    kept = 0;
    return bytes;
  };

  const under = (file: SourceFile, part: Pick<RunningFile, 'bytes' | 'total' | 'status'>) =>
    files.length === 1 ? {} : { files: [{ name: file.path, ...part }] };

  const onState = (state: TransferState, file: SourceFile) => {
    // A transfer that was somebody else's may have thrown away what it had before this one took over.
    bytesWasted += Math.max(0, state.wasted - current.wasted, current.bytes - state.bytes);
    current = state;
    const bytes = bytesOf(state, file.size);
    tracker.update(id, {
      status: state.phase satisfies LiveStatus,
      bytes,
      // With one file its own total is the download's, also where only the first answer tells it.
      ...(files.length === 1 ? { total: state.total } : {}),
      // What an earlier run fetched is not what was there before the download.
      bytesReused: earlier.bytes > 0 ? earlier.bytes_reused : before.reused + state.reused,
      bytesWasted,
      attempt: state.attempt,
      connections: state.connections,
      ...under(file, { bytes: state.bytes, total: state.total ?? file.size, status: state.phase }),
    });
  };
  return {
    total,
    begin(file) {
      const part = under(file, { bytes: 0, total: file.size, status: 'starting' });
      tracker.update(id, { file: file.path, attempt: 1, ...part });
      return {
        onState: (state) => onState(state, file),
        onNotice(notice) {
          tracker.notice(id, notice);
          narrate(`download_${notice.code.toLowerCase()}`, `🔁 ${file.path}: ${notice.message}`, 'warn');
        },
      };
    },
    done() {
      filesDone += 1;
      before = { bytes: before.bytes + current.bytes, reused: before.reused + current.reused };
      current = NOTHING;
      tracker.update(id, { filesDone, connections: 0 });
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
