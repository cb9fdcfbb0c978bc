import type { Download, DownloadStatus } from '@rbee/contract';
import { Option } from 'commander';
import { exitCodes } from '../errors/exit-codes.ts';
import type { Session } from '../session.ts';
import { showReceipt, withCancelNote } from './cancel-output.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import { count, DISCARD, type DiscardOption, ENDED_STATUSES, partialOf, STATUSES } from './option-values.ts';

const ID = ['<id>', 'download id or its beginning'] as const;

const list = createCommand<[options: { readonly status?: DownloadStatus; readonly limit?: number }]>({
  name: 'list',
  aliases: ['ls'],
  description: 'list downloads of all hives, newest first',
  examples: ['download list --status downloading', 'download list --limit 10 --json'],
  weight: 'light',
  define(command) {
    command
      .addOption(new Option('--status <status>', 'only this status').choices(STATUSES))
      .option('--limit <count>', 'maximum number of rows (default: 100)', count);
  },
  async run(session, options) {
    const { downloadsText } = await import('../render/list-text.ts');
    const listing = await session.withLists(({ client, signal }) => client.downloads(options, signal));
    session.renderer.result({ downloads: listing.downloads }, () => downloadsText(listing, session.text));
    return exitCodes.done;
  },
});

const show = createCommand<[id: string]>({
  name: 'show',
  description: 'show the state and details of a download',
  examples: ['download show dl-01999c3a-4f2b', 'download show 01999c3a-4f2b --json'],
  define(command) {
    command.argument(...ID);
  },
  async run(session, id) {
    const [{ resolveDownloadId }, { downloadText }] = await Promise.all([
      import('../daemon-client/resolve-id.ts'),
      import('../render/download-text.ts'),
    ]);
    const download = await session.withQueen(async ({ client, signal }) =>
      client.download(await resolveDownloadId(client, id, signal), signal),
    );
    session.renderer.result(download, () => downloadText(download));
    return exitCodes.done;
  },
});

const watch = createCommand<[ids: readonly string[]]>({
  name: 'watch',
  description: 'watch downloads until they end',
  examples: ['download watch', 'download watch dl-01999c3a-4f2b'],
  define(command) {
    command.argument('[id...]', 'download ids or their beginnings (default: all, including new ones)');
  },
  display: (ids) => (ids.length === 0 ? 'fleet' : 'watch'),
  async run(session, ids) {
    const { watchDownloads, watchFleet } = await import('../operations/watch.ts');
    if (ids.length > 0) return session.withQueen((deps) => watchDownloads(deps, ids), { resumes: true });
    session.renderer.note('watching all downloads; Ctrl+C exits and the downloads continue');
    return session.withQueen(watchFleet, { resumes: true });
  },
});

const pause = createCommand<[id: string]>({
  name: 'pause',
  description: 'pause a download and keep its bytes',
  examples: ['download pause dl-01999c3a-4f2b'],
  define(command) {
    command.argument(...ID);
  },
  run: (session, id) => change(session, id, 'pauseDownload'),
});

const resume = createCommand<[id: string]>({
  name: 'resume',
  description: 'resume a paused download',
  examples: ['download resume dl-01999c3a-4f2b'],
  define(command) {
    command.argument(...ID);
  },
  run: (session, id) => change(session, id, 'resumeDownload'),
});

/** Changes the state of a download and shows the new one. */
async function change(session: Session, text: string, call: 'pauseDownload' | 'resumeDownload'): Promise<number> {
  const [{ resolveDownloadId }, { changeText }] = await Promise.all([
    import('../daemon-client/resolve-id.ts'),
    import('../render/download-text.ts'),
  ]);
  const download: Download = await session.withQueen(async ({ client, signal }) =>
    client[call](await resolveDownloadId(client, text, signal), signal),
  );
  session.renderer.result(download, () => changeText(download));
  return exitCodes.done;
}

const retry = createCommand<[id: string, options: { readonly detach?: boolean }]>({
  name: 'retry',
  description: 'retry a failed or cancelled download',
  examples: ['download retry dl-01999c3a-4f2b', 'download retry dl-01999c3a-4f2b --detach'],
  define(command) {
    command.argument(...ID).option('--detach', 'print the new download id and exit');
  },
  display: (_, { detach }) => (detach ? 'detach' : 'download'),
  async run(session, id, { detach = false }) {
    const { retryDownload } = await import('../operations/retry-download.ts');
    const work = () => session.withQueen((deps) => retryDownload(deps, id, detach));
    return detach ? work() : withCancelNote(session, work);
  },
});

const cancel = createCommand<[id: string, options: DiscardOption]>({
  name: 'cancel',
  description: 'cancel a download for all that wait for it, and keep its partial files',
  examples: ['download cancel dl-01999c3a-4f2b', 'download cancel 01999c3a-4f2b --discard'],
  define(command) {
    command.argument(...ID).option(...DISCARD);
  },
  async run(session, text, options) {
    const { resolveDownloadId } = await import('../daemon-client/resolve-id.ts');
    const receipt = await session.withQueen(async ({ client, signal }) =>
      client.cancelDownload(await resolveDownloadId(client, text, signal), partialOf(options), signal),
    );
    return showReceipt(session, receipt);
  },
});

interface ClearOptions {
  readonly status?: DownloadStatus;
  /** A duration: only downloads that ended longer ago. */
  readonly olderThan?: string;
}

const clear = createCommand<[options: ClearOptions]>({
  name: 'clear',
  description: 'remove ended downloads from the history, keep files',
  examples: ['download clear', 'download clear --status failed --older-than 7d'],
  define(command) {
    command
      .addOption(new Option('--status <status>', 'only this status').choices(ENDED_STATUSES))
      .option('--older-than <duration>', 'only downloads that ended longer ago: 12h, 7d');
  },
  async run(session, options) {
    const [{ parseDuration }, { endedDownloads }, { asks, confirm }, text] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/lists.ts'),
      import('../operations/confirm.ts'),
      import('../render/download-text.ts'),
    ]);
    const { status, olderThan } = options;
    const minAgeMs = olderThan === undefined ? 0 : parseDuration(olderThan);
    const statuses = status === undefined ? ENDED_STATUSES : [status];
    return session.withQueen(async (deps) => {
      const { client, signal } = deps;
      if (asks(session)) {
        const ended = await endedDownloads(deps, statuses, session.io.now() - minAgeMs);
        const isWanted =
          ended.length === 0 ||
          (await confirm(session, {
            preview: text.clearedText(ended),
            question: `Remove ${ended.length === 1 ? 'it' : 'them'} from the history?`,
            refusal: 'nothing was removed',
          }));
        if (!isWanted) return exitCodes.failed;
      }
      const result = await client.clearDownloads(options, signal);
      session.renderer.result(result, () => text.clearText(result));
      return exitCodes.done;
    });
  },
});

export const downloadGroup: CommandGroup = {
  name: 'download',
  description: 'list, watch and control downloads',
  commands: [list, show, watch, pause, resume, retry, cancel, clear],
};
