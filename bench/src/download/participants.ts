import { findCommand } from '@rbee/testing';
import { type ClientName, clients } from './clients.ts';
import type { Skip } from './results.ts';
import type { Scenario } from './scenarios.ts';

interface Participants {
  readonly clients: readonly ClientName[];
  readonly skips: readonly Skip[];
}

/** Debian's packages of all programs that the bench can use. */
const installHint = 'apt-get install -y nginx aria2 curl openssl';

/** The clients of the scenario that are installed here. The transfer engine comes first. */
export function participants(scenario: Scenario, peers: readonly ClientName[] | null, path: string): Participants {
  const missing = (scenario.isTls ? ['nginx', 'openssl'] : ['nginx']).filter((name) => !isCommand(name, path));
  if (missing.length > 0) return { clients: [], skips: [{ client: null, reason: reasonOf(missing) }] };
  const wanted: ClientName[] = ['rbee', ...(peers ?? scenario.peers)];
  const checked = wanted.map((client) => ({ client, missing: missingOf(client, path) }));
  return {
    clients: checked.filter((each) => each.missing.length === 0).map(({ client }) => client),
    skips: checked
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
