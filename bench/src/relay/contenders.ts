import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { findCommand } from '@rbee/testing';
import { startHelper } from '../process/helper.ts';
import { startNchan } from './nchan.ts';
import type { LoopReport, ServerHello, ServerQuestion } from './servers/serve-bench.ts';

export const contenderNames = ['rbee', 'node-http', 'fastify-sse', 'nchan'] as const;
export type ContenderName = (typeof contenderNames)[number];

export const contenderTitles: Readonly<Record<ContenderName, string>> = {
  rbee: 'rbee',
  'node-http': 'node:http, one Buffer for all',
  'fastify-sse': '@fastify/sse, its own send',
  nchan: 'nchan (nginx)',
};

/** A server under test. */
export interface Contender {
  readonly pid: number;
  /** On 127.0.0.1. */
  readonly port: number;
  /** Of the stream. */
  readonly path: string;
  /** Takes the data of an event by POST. */
  readonly publishUrl: string;
  /** Collects its garbage, where there is some. */
  settle(): Promise<void>;
  /** Watches the event loop from here on. */
  watch(): Promise<void>;
  /** The longest time for which the loop has stood still since; null where there is none. */
  longestStopMs(): Promise<number | null>;
  /** Ends all streams; how long that took, null where there is no such thing. */
  endAllMs(): Promise<number | null>;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** For files of its own. */
  readonly folder: string;
  readonly path: string;
  readonly readers: number;
  readonly signal: AbortSignal;
}

const nginxModuleFolders = ['/usr/lib/nginx/modules', '/usr/lib64/nginx/modules', '/usr/share/nginx/modules'];

/** Why it cannot take part; null where it can. */
export function whyNot(name: ContenderName, path: string): string | null {
  if (name !== 'nchan') return null;
  const isInstalled = findCommand('nginx', path) !== null && nchanModule() !== null;
  return isInstalled ? null : 'not installed: nchan (apt-get install -y nginx libnginx-mod-nchan)';
}

export function startContender(name: ContenderName, options: StartOptions): Promise<Contender> {
  return name === 'nchan' ? startNginx(options) : startNode(name, options.signal);
}

function nchanModule(): string | null {
  return (
    nginxModuleFolders.map((folder) => join(folder, 'ngx_nchan_module.so')).find((file) => existsSync(file)) ?? null
  );
}

async function startNginx({ folder, path, readers, signal }: StartOptions): Promise<Contender> {
  const [command, module] = [findCommand('nginx', path), nchanModule()];
  if (command === null || module === null) throw new Error('nchan is not installed');
  const { stop, ...server } = await startNchan({ command, module, folder, readers }, signal);
  const nothing = async () => {};
  const none = async () => null;
  return { ...server, settle: nothing, watch: nothing, longestStopMs: none, endAllMs: none, stop };
}

async function startNode(name: Exclude<ContenderName, 'nchan'>, signal: AbortSignal): Promise<Contender> {
  const script = new URL(`servers/${name}-main.ts`, import.meta.url);
  const helper = await startHelper({ script, flags: ['--expose-gc'], signal });
  const ask = async (kind: ServerQuestion['kind']) => (await helper.ask({ kind })) as LoopReport;
  const { port, path, publishPort } = helper.hello as ServerHello;
  return {
    ...{ pid: helper.pid, port, path, publishUrl: `http://127.0.0.1:${publishPort}/` },
    settle: async () => void (await ask('settle')),
    watch: async () => void (await ask('watch')),
    longestStopMs: async () => (await ask('watched')).longestStopMs,
    endAllMs: async () => (await ask('end')).endAllMs,
    stop: () => helper.stop(),
  };
}
