import type { DownloadStatus } from '@rbee/contract';
import { Option } from 'commander';
import { exitCodes } from '../errors/exit-codes.ts';
import type { Session } from '../session.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import {
  cancelDownloads,
  limitDownloads,
  pauseDownloads,
  prioritiseDownloads,
  resumeDownloads,
  retryDownloads,
} from './download-verbs.ts';
import { count, ENDED_STATUSES, STATUSES } from './option-values.ts';
import { showList, shown, WATCH, type WatchOption } from './show-list.ts';

const ID = ['<id>', 'download id or its beginning'] as const;

interface ListOptions extends WatchOption {
  readonly status?: DownloadStatus;
  readonly limit?: number;
  readonly active?: boolean;
}

const LIST = {
  description: 'list downloads of all hives, newest first',
  weight: 'light',
  async run(session: Session, { active = false, watch = false, ...query }: ListOptions) {
    const [{ activeDownloads }, { downloadsText }] = await Promise.all([
      import('../operations/lists.ts'),
      import('../render/list-text.ts'),
    ]);
    return showList(
      session,
      { watch },
      async (deps) =>
        active ? { downloads: await activeDownloads(deps), more: false } : deps.client.downloads(query, deps.signal),
      (listing) =>
        shown(() =>
          session.renderer.result({ downloads: listing.downloads }, () => downloadsText(listing, session.text)),
        ),
    );
  },
} as const;

const downloadList = createCommand<[options: ListOptions]>({
  ...LIST,
  name: 'list',
  aliases: ['ls'],
  examples: ['download list --status downloading', 'download list --limit 10 --json'],
  define(command) {
    command
      .addOption(new Option('--status <status>', 'only this status').choices(STATUSES).conflicts('active'))
      .option('--active', 'only downloads that have not ended')
      .option('--limit <count>', 'maximum number of rows (default: 100)', count)
      .option(...WATCH);
  },
});

/** The word that users of `docker` and `ollama` expect. */
export const ps = createCommand<[options: WatchOption]>({
  ...LIST,
  name: 'ps',
  description: 'list downloads that have not ended',
  examples: ['ps', 'ps -o wide'],
  define: (command) => void command.option(...WATCH),
  run: (session, options) => LIST.run(session, { ...options, active: true }),
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
    session.renderer.result(download, () => downloadText(download, session.text));
    return exitCodes.done;
  },
});

export const watchDownloads = createCommand<[ids: readonly string[]]>({
  name: 'watch',
  description: 'watch downloads until they end',
  examples: ['download watch', 'download watch dl-01999c3a-4f2b'],
  define(command) {
    command.argument('[id...]', 'download ids or their beginnings (default: all, including new ones)');
  },
  display: (ids) => (ids.length === 0 ? 'fleet' : 'watch'),
  async run(session, ids) {
    const { watchEach, watchFleet } = await import('../operations/watch.ts');
    if (ids.length > 0) return session.withQueen((deps) => watchEach(deps, ids), { resumes: true });
    session.renderer.note('watching all downloads; Ctrl+C exits and the downloads continue');
    return session.withQueen(watchFleet, { resumes: true });
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
            preview: text.clearedText(ended, session.text),
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
  commands: [
    downloadList,
    show,
    watchDownloads,
    pauseDownloads,
    resumeDownloads,
    retryDownloads,
    cancelDownloads,
    limitDownloads,
    prioritiseDownloads,
    clear,
  ],
};
