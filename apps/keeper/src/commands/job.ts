import { showReceipt } from './cancel-output.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import { DISCARD, type DiscardOption, partialOf } from './option-values.ts';
import { showList, shown, WATCH, type WatchOption } from './show-list.ts';

const ID = ['<id>', 'job id or its beginning'] as const;

const list = createCommand<[options: WatchOption]>({
  name: 'list',
  aliases: ['ls'],
  description: 'list jobs, newest first',
  examples: ['job list'],
  weight: 'light',
  define: (command) => void command.option(...WATCH),
  async run(session, options) {
    const { jobsText } = await import('../render/list-text.ts');
    return showList(
      session,
      options,
      ({ client, signal }) => client.jobs(signal),
      (jobs) => shown(() => session.renderer.result({ jobs }, () => jobsText(jobs, session.text))),
    );
  },
});

const watch = createCommand<[id: string]>({
  name: 'watch',
  description: "print a job's log until the job ends",
  examples: ['job watch job-6f1c2d3e'],
  define(command) {
    command.argument(...ID);
  },
  display: () => 'narrate',
  async run(session, id) {
    const { watchJob } = await import('../operations/watch.ts');
    return session.withQueen((deps) => watchJob(deps, id));
  },
});

const cancel = createCommand<[id: string, options: DiscardOption]>({
  name: 'cancel',
  description: 'cancel a job and its downloads',
  examples: ['job cancel job-6f1c2d3e'],
  define(command) {
    command.argument(...ID).option(...DISCARD);
  },
  async run(session, id, options) {
    const { resolveJobId } = await import('../daemon-client/resolve-id.ts');
    const receipt = await session.withQueen(async ({ client, signal }) =>
      client.cancelJob(await resolveJobId(client, id, signal), partialOf(options), signal),
    );
    return showReceipt(session, receipt);
  },
});

export const jobGroup: CommandGroup = {
  name: 'job',
  description: 'list, watch and cancel jobs',
  commands: [list, watch, cancel],
};
