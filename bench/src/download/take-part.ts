import { findCommand } from '@rbee/testing';
import { type ClientName, clients } from './clients.ts';
import type { Skip } from './results.ts';
import type { Scenario } from './scenarios.ts';

export interface Participants {
  readonly clients: readonly ClientName[];
  readonly skips: readonly Skip[];
}

/** All programs that the bench can use, as Debian names their packages. */
const installHint = 'apt-get install -y nginx aria2 curl openssl';

/** Who of the scenario's clients is installed here. The transfer engine comes first. */
export function participants(scenario: Scenario, peers: readonly ClientName[] | null, path: string): Participants {
  const missing = (scenario.isTls ? ['nginx', 'openssl'] : ['nginx']).filter((name) => !isCommand(name, path));
  if (missing.length > 0) return { clients: [], skips: [{ client: null, reason: reasonOf(missing) }] };
  const wanted: ClientName[] = ['rbee', ...(peers ?? scenario.peers)];
  const lacks = wanted.map((client) => ({ client, missing: missingOf(client, path) }));
  return {
    clients: lacks.filter((each) => each.missing.length === 0).map(({ client }) => client),
    skips: lacks
      .filter((each) => each.missing.length > 0)
      .map((each) => ({ client: each.client, reason: reasonOf(each.missing) })),
  };
}

const isCommand = (name: string, path: string): boolean => findCommand(name, path) !== null;
const reasonOf = (missing: readonly string[]): string => `not installed: ${missing.join(', ')} (${installHint})`;

function missingOf(client: ClientName, path: string): string[] {
  const { commands, packages } = clients[client].needs;
  return [...commands.filter((name) => !isCommand(name, path)), ...packages.filter((name) => !isPackage(name))];
}

function isPackage(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}
