import { spawn } from 'node:child_process';
import type { CommandDeps } from './command-deps.ts';

/** What a browser shows at an address. */
export interface Page {
  readonly url: string;
  /** `api`: the reference of the HTTP API, where the queen has no page for people. */
  readonly shows: 'page' | 'api';
}

/** The address of the queen's page. @throws KeeperError QUEEN_UNREACHABLE */
export async function findPage({ client, signal }: CommandDeps): Promise<Page> {
  return (await client.hasPage(signal))
    ? { url: `${client.url}/`, shows: 'page' }
    : { url: `${client.url}/docs`, shows: 'api' };
}

/** Opens a page in the desktop's browser, if there is a desktop. Whether it worked is for the user to see. */
export function openPage(url: string, env: NodeJS.ProcessEnv): void {
  const command = openerOf(env);
  if (command === null) return;
  const opener = spawn(command, [url], { stdio: 'ignore', detached: true });
  opener.on('error', () => {});
  opener.unref();
}

function openerOf(env: NodeJS.ProcessEnv): string | null {
  if (process.platform === 'darwin') return 'open';
  return env.DISPLAY || env.WAYLAND_DISPLAY ? 'xdg-open' : null;
}
