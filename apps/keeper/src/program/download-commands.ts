import type { DownloadStatus } from '@rbee/contract';
import { type Command, Option } from 'commander';
import * as actions from '../actions/download-actions.ts';
import { listDownloads } from '../actions/list-actions.ts';
import { count, type DiscardOption, ENDED_STATUSES, examples, partialOf, STATUSES } from './option-values.ts';
import type { Run } from './run-action.ts';

const ID = ['<id>', 'the id of a download, or its beginning'] as const;

/** The commands below `download`. */
export function addDownloadCommands(group: Command, run: Run): void {
  defineList(group.command('list').alias('ls'), run);
  defineShow(group.command('show'), run);
  defineWatch(group.command('watch'), run);
  definePause(group.command('pause'), run);
  defineResume(group.command('resume'), run);
  defineRetry(group.command('retry'), run);
  defineCancel(group.command('cancel'), run);
  defineClear(group.command('clear'), run);
}

function defineList(command: Command, run: Run): void {
  command
    .description('list the downloads of the fleet, newest first')
    .addOption(new Option('--status <status>', 'those of one status').choices(STATUSES))
    .option('--limit <count>', 'at most so many (default: 100)', count)
    .addHelpText('after', examples('download list --status downloading', 'download list --limit 10 --json'))
    .action((options: { status?: DownloadStatus; limit?: number }) =>
      run(command, 'ask', (session) => listDownloads(session, options), 'light'),
    );
}

function defineShow(command: Command, run: Run): void {
  command
    .description('show one download: where it stands, and how it ended')
    .argument(...ID)
    .addHelpText('after', examples('download show dl-01999c3a-4f2b', 'download show 01999c3a-4f2b --json'))
    .action((id: string) => run(command, 'ask', (session) => actions.showDownload(session, id)));
}

function defineWatch(command: Command, run: Run): void {
  command
    .description('follow downloads to their ends; Ctrl+C leaves and changes nothing')
    .argument('[id...]', 'ids of downloads, or their beginnings; without any: all of the fleet, also those to come')
    .addHelpText('after', examples('download watch', 'download watch dl-01999c3a-4f2b'))
    .action((ids: string[]) =>
      run(command, ids.length === 0 ? 'fleet' : 'watch', (session) => actions.watchDownloads(session, ids)),
    );
}

function definePause(command: Command, run: Run): void {
  command
    .description('stop a download for a while; what is on disk stays')
    .argument(...ID)
    .addHelpText('after', examples('download pause dl-01999c3a-4f2b'))
    .action((id: string) => run(command, 'ask', (session) => actions.pauseDownload(session, id)));
}

function defineResume(command: Command, run: Run): void {
  command
    .description('let a paused download go on; it may have to wait for a place')
    .argument(...ID)
    .addHelpText('after', examples('download resume dl-01999c3a-4f2b'))
    .action((id: string) => run(command, 'ask', (session) => actions.resumeDownload(session, id)));
}

function defineRetry(command: Command, run: Run): void {
  command
    .description('start a failed or cancelled download again, from what is on disk, and follow it to the end')
    .argument(...ID)
    .option('--detach', 'print the id of the new download and leave')
    .addHelpText('after', examples('download retry dl-01999c3a-4f2b', 'download retry dl-01999c3a-4f2b --detach'))
    .action((id: string, { detach = false }: { detach?: boolean }) =>
      run(command, detach ? 'detach' : 'download', (session) => actions.retryDownload(session, id, detach)),
    );
}

function defineCancel(command: Command, run: Run): void {
  command
    .description('cancel the job of a download; what is on disk is kept for the next time')
    .argument(...ID)
    .option('--discard', 'remove what is on disk')
    .addHelpText('after', examples('download cancel dl-01999c3a-4f2b', 'download cancel 01999c3a-4f2b --discard'))
    .action((id: string, options: DiscardOption) =>
      run(command, 'ask', (session) => actions.cancelDownload(session, id, partialOf(options))),
    );
}

function defineClear(command: Command, run: Run): void {
  command
    .description('remove ended downloads from the history; those that run stay, and so do all files')
    .addOption(new Option('--status <status>', 'those that ended so').choices(ENDED_STATUSES))
    .option('--older-than <duration>', 'those that ended longer ago: 12h, 7d')
    .addHelpText('after', examples('download clear', 'download clear --status failed --older-than 7d'))
    .action((options: actions.ClearOptions) =>
      run(command, 'ask', (session) => actions.clearDownloads(session, options)),
    );
}
