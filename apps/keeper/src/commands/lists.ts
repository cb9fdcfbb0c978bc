import { RbeeError } from '@rbee/contract';
import type { ModelListing } from '../answers.ts';
import { didYouMean } from '../did-you-mean.ts';
import type { ListDeps } from './command-deps.ts';

/**
 * What every hive that is online holds, or the one named: models by their refs, partials and problems by their paths.
 * @throws RbeeError HIVE_NOT_FOUND
 */
export async function modelList(deps: ListDeps, hive: string | undefined): Promise<ModelListing> {
  if (hive !== undefined) await requireHive(deps, hive);
  const { models, partials, problems } = await deps.client.models(deps.signal);
  const ofHive = ({ hive_id: id }: { readonly hive_id: string }) => hive === undefined || id === hive;
  const byHive = (a: { readonly hive_id: string }, b: { readonly hive_id: string }) =>
    a.hive_id.localeCompare(b.hive_id);
  return {
    models: models.filter(ofHive).sort((a, b) => a.model_ref.localeCompare(b.model_ref) || byHive(a, b)),
    partials: partials.filter(ofHive).sort((a, b) => byHive(a, b) || a.path.localeCompare(b.path)),
    problems: problems.filter(ofHive).sort((a, b) => byHive(a, b) || (a.path ?? '').localeCompare(b.path ?? '')),
  };
}

async function requireHive({ client, signal }: ListDeps, name: string): Promise<void> {
  const known = (await client.hives(signal)).map((hive) => hive.hive_id);
  if (known.includes(name)) return;
  throw new RbeeError('HIVE_NOT_FOUND', `the queen knows no hive named ${name}`, {
    hint: `${didYouMean(name, known)}"rbee-keeper hive list" shows the names`,
    details: { queen_url: client.url },
  });
}
