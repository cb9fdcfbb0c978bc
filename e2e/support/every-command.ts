import { makeSampleGguf } from '@rbee/testing';
import { api, type Started, startDownload } from './api.ts';
import type { Fleet } from './fleet.ts';
import { jsonOf, readStream } from './sse.ts';

const QUICK_FILES = 30;
const SLOW_FILES = 60;
const SLOW_BYTES_PER_SECOND = 100_000;

/** How a command is run, and what it prints. */
export interface CommandRow {
  /** The command line; a function first makes what the command is about for each run. */
  readonly words: readonly string[] | (() => Promise<readonly string[]>);
  /** All that stdout gets as text. */
  readonly prints: RegExp;
  /** A key of the object on the first line with `--json`; null where there are no such lines. */
  readonly key: string | null;
  /** Default 0. */
  readonly code?: number;
  /** It runs until it is interrupted, which is done when it has shown this. */
  readonly until?: RegExp;
  /** It asks on a terminal; the answer is yes. */
  readonly asks?: true;
}

/** Downloads for commands to work on. */
export interface Downloads {
  /** One that is complete; its model is never removed. */
  readonly present: Started & { readonly model: string };
  /** The name of a model that nobody has downloaded. */
  newModel(): string;
  /** The name of a model that was just downloaded. */
  downloadedModel(): Promise<string>;
  /** One that has begun and does not end by itself. */
  running(): Promise<Started>;
  /** The id of one that was running. */
  paused(): Promise<string>;
  cancelled(): Promise<string>;
  /** Cancels all that have not ended. */
  cancelAll(): Promise<void>;
}

/** Adds models to the hub: small ones that it sends at full speed, and large ones that the CDN sends slowly. */
export async function prepareDownloads({ hub, queen }: Fleet): Promise<Downloads> {
  const files = <T>(name: string, count: number, make: (seed: number) => T) =>
    Object.fromEntries(Array.from({ length: count }, (_, seed) => [`${name}-${seed}.gguf`, make(seed)]));
  const small = (seed: number) => makeSampleGguf({ size: 131_072, seed });
  hub.addRepo({ id: 'org/quick', files: files('quick', QUICK_FILES, small), lfsFrom: 1_000_000 });
  const large = (seed: number) => ({ size: 50_000_000, seed, hasMadeUpDigests: true }) as const;
  hub.addRepo({ id: 'org/slow', files: files('slow', SLOW_FILES, large) });
  hub.throttle(SLOW_BYTES_PER_SECOND);

  const used = { quick: 0, slow: 0 };
  const next = (name: 'quick' | 'slow') => `hf:org/${name}::file=${name}-${used[name]++}.gguf`;
  const streamOf = (id: string) => readStream(`${queen.url}/v1/downloads/${id}/stream`);
  const post = async (id: string, action: string) => {
    const { status, body } = await api('POST', `${queen.url}/v1/downloads/${id}/${action}`);
    if (status !== 200) throw new Error(`${action}: ${status} ${JSON.stringify(body)}`);
  };
  const download = async (model: string) => {
    const started = await startDownload(queen.url, model);
    const last = (await (await streamOf(started.download_id)).toEnd()).at(-1);
    if (last?.event !== 'complete') throw new Error(`${model}: ${last?.event} ${last?.data}`);
    return { ...started, model };
  };
  const running = async () => {
    const started = await startDownload(queen.url, next('slow'));
    const stream = await streamOf(started.download_id);
    await stream.waitFor(() => stream.events.some((event) => Number(jsonOf(event)['bytes']) > 0), 'the first bytes');
    stream.leave();
    return started;
  };
  const changed = async (action: 'pause' | 'cancel') => {
    const { download_id: id } = await running();
    await post(id, action);
    return id;
  };
  return {
    present: await download(next('quick')),
    newModel: () => next('quick'),
    downloadedModel: async () => (await download(next('quick'))).model,
    running,
    paused: () => changed('pause'),
    cancelled: () => changed('cancel'),
    async cancelAll() {
      const { body } = await api('GET', `${queen.url}/v1/downloads?limit=1000`);
      for (const { download_id: id, status } of body['downloads'] as { download_id: string; status: string }[]) {
        if (!['complete', 'cancelled', 'failed'].includes(status)) await post(id, 'cancel?partial=discard');
      }
    },
  };
}

const PATH = /\/.+\/quick-\d+\.gguf\n/;
const MODELS = /REPO +MODEL .*\n(?:.*quick-\d+\.gguf .* m-[0-9a-f]+\n)+/;
const MODEL = /model +m-[0-9a-f]{12}\nref +hf:org\/quick@.*\n(?:\w+ +.*\n)*\nFILE .*\nquick-0\.gguf .*\n/;
const REMOVED = /REMOVED +FREED +HIVE\nquick-\d+\.gguf +122\.5 kB +hive-[ab]\n/;
const DOWNLOADS = /DOWNLOAD +HIVE .*\n(?:dl-.*\n)+/;
const HIVES = /HIVE +STATE .*\nhive-a +online .*\nhive-b +online .*\n/;
const CANCELLED = /dl-.*: cancelled.* kept; resume with "rbee-keeper download retry dl-.*"\n/;

/** A row for each command of the keeper, also for the short forms. */
export function commandRows(fleet: () => Fleet, downloads: () => Downloads): Readonly<Record<string, CommandRow>> {
  const present = () => downloads().present;
  const about =
    (make: () => string | Promise<string>, words: string, more: readonly string[] = []) =>
    async (): Promise<readonly string[]> => [...words.split(' '), await make(), ...more];
  const running = async () => (await downloads().running()).download_id;
  const cancelled = () => downloads().cancelled();
  const after =
    (make: () => Promise<unknown>, ...words: readonly string[]) =>
    async (): Promise<readonly string[]> => {
      await make();
      return words;
    };

  const newModel = () => downloads().newModel();
  const download = { prints: PATH, key: 'event' };
  const list = { prints: MODELS, key: 'models' };
  const get = { prints: MODEL, key: 'models' };
  const remove = { prints: REMOVED, key: 'removed', asks: true } as const;
  const had = () => downloads().downloadedModel();
  const models: Record<string, CommandRow> = {
    pull: { words: about(newModel, 'pull'), ...download },
    'model download': { words: about(newModel, 'model download'), ...download },
    'model plan': {
      words: about(() => present().model, 'model plan'),
      prints: /model +.*quick-0\.gguf\n(?:\w+ +.*\n)+\nFILE .*\nquick-0\.gguf .*\n\n1 file, .*\nfits on hive-.*\n/,
      key: 'files',
    },
    ls: { words: ['ls'], ...list },
    'model list': { words: ['model', 'list'], ...list },
    show: { words: about(() => present().model, 'show'), ...get },
    'model get': { words: about(() => present().model, 'model get'), ...get },
    rm: { words: about(had, 'rm'), ...remove },
    'model remove': { words: about(had, 'model remove'), ...remove },
    'model verify': {
      words: about(() => present().model, 'model verify'),
      prints: /MODEL +HIVE .*\nquick-0\.gguf .* ok .* m-[0-9a-f]+\n/,
      key: 'models',
    },
    'model prune': {
      words: after(cancelled, 'model', 'prune', '--partials'),
      prints: /REPO +KIND .*\n(?:org\/slow +partial .* hive-[ab] .*\n)+.* freed\n/,
      key: 'removed',
      asks: true,
    },
    search: { words: ['search', 'quick'], prints: /MODEL +DOWNLOADS .*\norg\/quick .*\n/, key: 'models' },
  };

  const cancel = { prints: CANCELLED, key: 'download_id' };
  const watch = { prints: PATH, key: 'event' };
  const changing = (prints: RegExp) => ({ prints, key: 'download_id' });
  const those: Record<string, CommandRow> = {
    ps: { words: after(running, 'ps'), prints: DOWNLOADS, key: 'downloads' },
    'download list': { words: ['download', 'list'], prints: DOWNLOADS, key: 'downloads' },
    'download show': {
      words: about(() => present().download_id, 'download show'),
      prints: /download +dl-.*\n(?:[a-z\d ]+ {2}.*\n)+/,
      key: 'download_id',
    },
    'download watch': { words: about(() => present().download_id, 'download watch'), ...watch },
    watch: { words: after(running, 'watch'), prints: /(?:)/, key: 'event', until: /slow-\d+\.gguf/, code: 130 },
    'download pause': { words: about(running, 'download pause'), ...changing(/dl-.*: paused, .*\n/) },
    'download resume': {
      words: about(() => downloads().paused(), 'download resume'),
      ...changing(/dl-.*: (?:queued|starting|downloading), .*\n/),
    },
    'download retry': { words: about(cancelled, 'download retry', ['--detach']), prints: /dl-.*\n/, key: 'event' },
    stop: { words: about(running, 'stop'), ...cancel },
    'download cancel': { words: about(running, 'download cancel'), ...cancel },
    'download limit': {
      words: about(running, 'download limit', ['--max-bandwidth', '5kB/s']),
      ...changing(/dl-.*: limited to 5\.0 kB\/s\n/),
    },
    'download priority': {
      words: about(running, 'download priority', ['7']),
      ...changing(/dl-.*: priority 7\n/),
    },
    'download clear': {
      words: after(cancelled, 'download', 'clear', '--status', 'cancelled'),
      prints: /removed [1-9].* from the history\n/,
      key: 'removed',
      asks: true,
    },
    'job list': { words: ['job', 'list'], prints: /JOB +STATE .*\n(?:job-.*\n)+/, key: 'jobs' },
    'job watch': {
      words: about(() => present().job_id, 'job watch'),
      prints: /(?:\d\d:\d\d:\d\d \S+: .*\n)+/,
      key: 'event',
    },
    'job cancel': {
      words: about(async () => (await downloads().running()).job_id, 'job cancel'),
      prints: CANCELLED,
      key: 'job_id',
    },
  };

  const queensAndHives: Record<string, CommandRow> = {
    'hive list': { words: ['hive', 'list'], prints: HIVES, key: 'hives' },
    'hive limit': {
      words: ['hive', 'limit', 'hive-b', '--max-bandwidth', '0'],
      prints: /hive-b: unlimited\n/,
      key: 'hive_id',
    },
    status: {
      words: ['status'],
      prints: new RegExp(`queen .*, 2 of 2 hives online\\n\\n${HIVES.source}\\nno active downloads\\n`),
      key: 'queen',
    },
    doctor: {
      words: ['doctor'],
      prints: /keeper\n(?: {2}.*\n)+\nhive hive-a\n(?: {2}.*\n)+\nhive hive-b\n(?: {2}.*\n)+\nno problems found\n/,
      key: 'hives',
    },
    up: {
      words: ['up', '--queen-port', '0', '--hive-port', '0'],
      prints: /queen +http.*\nhive +http.*\nmodels +\/.*\n.*Ctrl\+C.*\n/,
      key: 'event',
      until: /models/,
    },
    login: { words: about(() => fleet().queen.url, 'login'), prints: /stored http.*\n/, key: 'queen_url' },
    open: { words: ['open'], prints: /http:\/\/.*\n/, key: 'url' },
    completion: { words: ['completion', 'bash'], prints: /# bash completion [\s\S]*\n/, key: 'script' },
    help: { words: ['help'], prints: /Usage: rbee-keeper [\s\S]*\n/, key: null },
  };
  return { ...models, ...those, ...queensAndHives };
}
