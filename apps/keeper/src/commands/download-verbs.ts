import type { CancelledDownload, DownloadPatch, DownloadStatus } from '@rbee/contract';
import type { Command } from 'commander';
import { exitCodes, worstOf } from '../errors/exit-codes.ts';
import { usageError } from '../errors/keeper-error.ts';
import type { ChangedDownload } from '../operations/change-download.ts';
import type { CommandDeps } from '../operations/command-deps.ts';
import type { Session } from '../session.ts';
import { withCancelNote } from './cancel-output.ts';
import { createCommand } from './create-command.ts';
import { DISCARD, type DiscardOption, MAX_BANDWIDTH, partialOf, priority, RUNNING_STATUSES } from './option-values.ts';

const IDS = ['[id...]', 'download ids or their beginnings'] as const;

interface AllOption {
  readonly all?: boolean;
}

/** Adds ids and `--all`. */
function defineIds(command: Command, all: string): Command {
  return command.argument(...IDS).option('--all', all);
}

export const pauseDownloads = createCommand<[ids: readonly string[], options: AllOption]>({
  name: 'pause',
  description: 'pause downloads and keep their bytes',
  examples: ['download pause dl-01999c3a-4f2b', 'download pause --all'],
  define: (command) => void defineIds(command, 'every download that is queued or running'),
  async run(session, ids, { all = false }) {
    const { switchDownload } = await import('../operations/change-download.ts');
    const running = RUNNING_STATUSES.filter((status) => status !== 'paused');
    return changeEach(session, { ids, all, statuses: running }, (deps, id) => switchDownload(deps, id, 'pause'));
  },
});

export const resumeDownloads = createCommand<[ids: readonly string[], options: AllOption]>({
  name: 'resume',
  description: 'resume paused downloads',
  examples: ['download resume dl-01999c3a-4f2b', 'download resume --all'],
  define: (command) => void defineIds(command, 'every paused download'),
  async run(session, ids, { all = false }) {
    const { switchDownload } = await import('../operations/change-download.ts');
    return changeEach(session, { ids, all, statuses: ['paused'] }, (deps, id) => switchDownload(deps, id, 'resume'));
  },
});

interface LimitOptions extends AllOption {
  readonly maxBandwidth: string;
}

export const limitDownloads = createCommand<[ids: readonly string[], options: LimitOptions]>({
  name: 'limit',
  description: 'limit the bandwidth of downloads that have not ended',
  examples: ['download limit dl-01999c3a-4f2b --max-bandwidth 5MB/s', 'download limit --all --max-bandwidth 0'],
  define(command) {
    defineIds(command, 'every download that has not ended').requiredOption(...MAX_BANDWIDTH);
  },
  async run(session, ids, { all = false, maxBandwidth }) {
    const { parseBandwidth } = await import('@rbee/contract');
    return patchEach(session, { ids, all }, { max_bandwidth: parseBandwidth(maxBandwidth) });
  },
});

export const prioritiseDownloads = createCommand<[words: readonly string[], options: AllOption]>({
  name: 'priority',
  description: 'change the place of downloads in the queue: higher goes first',
  examples: ['download priority dl-01999c3a-4f2b 10', 'download priority --all 0'],
  define(command) {
    command
      .usage('[options] [id...] <number>')
      .argument('<id...>', 'download ids or their beginnings, then the new priority (0 is usual)')
      .option('--all', 'every download that has not ended');
  },
  async run(session, words, { all = false }) {
    const number = words.at(-1) ?? '';
    return patchEach(session, { ids: words.slice(0, -1), all }, { priority: priorityOf(number) });
  },
});

function priorityOf(text: string): number {
  try {
    return priority(text);
  } catch {
    throw usageError(`"${text}" is not a priority`, 'write a whole number after the ids: download priority ID 10');
  }
}

interface Choice {
  readonly ids: readonly string[];
  readonly all: boolean;
}

async function patchEach(session: Session, choice: Choice, patch: DownloadPatch): Promise<number> {
  const { patchDownload } = await import('../operations/change-download.ts');
  return changeEach(
    session,
    { ...choice, statuses: RUNNING_STATUSES },
    (deps, id) => patchDownload(deps, id, patch),
    patch,
  );
}

/** Changes each download, and shows each state after it. */
async function changeEach(
  session: Session,
  { ids, all, statuses }: Choice & { readonly statuses: readonly DownloadStatus[] },
  act: (deps: CommandDeps, id: string) => Promise<ChangedDownload>,
  patch: DownloadPatch | null = null,
): Promise<number> {
  const [{ chosenDownloads }, { changeText }] = await Promise.all([
    import('../operations/each-download.ts'),
    import('../render/download-text.ts'),
  ]);
  const chosen = chosenDownloads(ids, all, statuses);
  return session.withQueen((deps) =>
    eachDownload(session, deps, chosen, act, (changed) =>
      session.renderer.result(changed.download, () => changeText(changed, patch)),
    ),
  );
}

async function eachDownload<T>(
  session: Session,
  deps: CommandDeps,
  chosen: Parameters<typeof import('../operations/each-download.ts')['forEachDownload']>[1],
  act: (deps: CommandDeps, id: string) => Promise<T>,
  onResult: (result: T) => void,
): Promise<number> {
  const { forEachDownload } = await import('../operations/each-download.ts');
  const { renderer } = session;
  const { results, failures } = await forEachDownload(deps, chosen, (id) => act(deps, id), {
    onResult,
    onFailure: (failure) => renderer.failure(failure),
  });
  const total = results.length + failures.length;
  if (total === 0) renderer.note('there are no such downloads');
  if (total > 1) renderer.note(failures.length === 0 ? `all ${total} done` : `${failures.length} of ${total} failed`);
  return worstOf(failures.map(({ exitCode }) => exitCode));
}

export const cancelDownloads = createCommand<[ids: readonly string[], options: AllOption & DiscardOption]>({
  name: 'cancel',
  description: 'cancel downloads for all that wait for them, and keep partial files',
  examples: ['download cancel dl-01999c3a-4f2b', 'download cancel 01999c3a-4f2b --discard', 'download cancel --all'],
  define: (command) => void defineIds(command, 'every download that has not ended').option(...DISCARD),
  async run(session, ids, { all = false, ...options }) {
    const [{ chosenDownloads }, { asks, confirm }, { cancelledText }] = await Promise.all([
      import('../operations/each-download.ts'),
      import('../operations/confirm.ts'),
      import('../render/end-text.ts'),
    ]);
    const chosen = chosenDownloads(ids, all, RUNNING_STATUSES);
    const partial = partialOf(options);
    if (all && partial === 'discard' && asks(session)) {
      const question = 'Cancel every download and delete its partial files?';
      if (!(await confirm(session, { preview: '', question, refusal: 'nothing was cancelled' })))
        return exitCodes.failed;
    }
    const unreached: CancelledDownload[] = [];
    const code = await session.withQueen((deps) =>
      eachDownload(
        session,
        deps,
        chosen,
        ({ client, signal }, id) => client.cancelDownload(id, partial, signal),
        (cancelled) => {
          if (cancelled.downloads.some(({ state }) => state === 'unreachable')) unreached.push(cancelled);
          session.renderer.result(cancelled, () => cancelledText(cancelled));
        },
      ),
    );
    return worstOf([code, unreached.length === 0 ? exitCodes.done : exitCodes.unreachable]);
  },
});

interface RetryOptions extends AllOption {
  readonly detach?: boolean;
}

export const retryDownloads = createCommand<[ids: readonly string[], options: RetryOptions]>({
  name: 'retry',
  description: 'retry failed or cancelled downloads',
  examples: ['download retry dl-01999c3a-4f2b', 'download retry dl-01999c3a-4f2b --detach', 'download retry --all'],
  define(command) {
    defineIds(command, 'every failed download that was not retried yet').option(
      '--detach',
      'print the new download ids and exit',
    );
  },
  display: (_, { detach }) => (detach ? 'detach' : 'download'),
  async run(session, ids, { all = false, detach = false }) {
    const [{ chosenDownloads }, { retryDownloads: retryEach }] = await Promise.all([
      import('../operations/each-download.ts'),
      import('../operations/retry-download.ts'),
    ]);
    const chosen = chosenDownloads(ids, all, ['failed']);
    const work = () =>
      session.withQueen((deps) => retryEach(deps, chosen, detach, (text) => session.renderer.note(text)));
    return detach ? work() : withCancelNote(session, work);
  },
});
