import { exitCodes } from '../errors/exit-codes.ts';
import { type CommandGroup, createCommand } from './create-command.ts';
import { assertHiveNames, MAX_BANDWIDTH } from './option-values.ts';
import { showList, shown, WATCH, type WatchOption } from './show-list.ts';

const list = createCommand<[options: WatchOption]>({
  name: 'list',
  aliases: ['ls'],
  description: 'list hives',
  examples: ['hive list'],
  weight: 'light',
  define: (command) => void command.option(...WATCH),
  async run(session, options) {
    const { hivesText } = await import('../render/list-text.ts');
    return showList(
      session,
      options,
      ({ client, signal }) => client.hives(signal),
      (hives) => shown(() => session.renderer.result({ hives }, () => hivesText(hives, session.text))),
    );
  },
});

const limit = createCommand<[name: string, options: { readonly maxBandwidth: string }]>({
  name: 'limit',
  description: 'limit the bandwidth of a hive',
  examples: ['hive limit gpu-1 --max-bandwidth 50MB/s', 'hive limit gpu-1 --max-bandwidth 0'],
  define(command) {
    command.argument('<name>', 'hive name').requiredOption(...MAX_BANDWIDTH);
  },
  async run(session, name, { maxBandwidth }) {
    const [{ parseBandwidth }, { suggestingHives }, { limitText }] = await Promise.all([
      import('@rbee/contract'),
      import('../operations/suggest-hives.ts'),
      import('../render/model-text.ts'),
    ]);
    assertHiveNames(name);
    const speed = parseBandwidth(maxBandwidth);
    await session.withQueen(
      (deps) => suggestingHives(deps, [name], () => deps.client.limitHive(name, speed, deps.signal)),
      { needsQueen: 'hive limit' },
    );
    const applied = { hive_id: name, max_bandwidth: speed };
    session.renderer.result(applied, () => limitText(applied));
    return exitCodes.done;
  },
});

export const hiveGroup: CommandGroup = {
  name: 'hive',
  description: 'list hives and limit their bandwidth',
  commands: [list, limit],
};
