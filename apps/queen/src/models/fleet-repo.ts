import { type ChoiceAtHive, type FleetRepo, type Hive, type ModelList, type Repo, spaceNeeded } from '@rbee/contract';
import type { HiveClient } from '../hives/client.ts';
import { askAny } from './ask-any.ts';

export interface FleetRepoDeps {
  readonly client: Pick<HiveClient, 'repo' | 'listModels'>;
}

/** What hives have is shown beside the rest, which does not wait longer for it. */
const LIST_TIMEOUT_MS = 2_000;

type Choice = Repo['choices'][number];
type Store = Pick<ModelList, 'models' | 'partials'>;

/**
 * What a ref and its repo have, as the first hive that can say it finds it, and what each hive has of it. The other hives are not sent
 * to the hub: their lists of models, and their free space, tell enough.
 * @throws RbeeError
 */
export async function repoOfFleet({ client }: FleetRepoDeps, hives: readonly Hive[], ref: string): Promise<FleetRepo> {
  const repo = await askAny(hives, async (hive, timeoutMs) => {
    const { hive_id } = hive;
    return { ...(await client.repo(hive, ref, timeoutMs)), hive_id };
  });
  const stores = await Promise.all(
    hives.map(async (hive) => ({
      hive,
      store: hive.hive_id === repo.hive_id ? null : await client.listModels(hive, LIST_TIMEOUT_MS).catch(() => null),
    })),
  );
  const choices = repo.choices.map((choice) => ({
    ...choice,
    hives: stores.map(({ hive, store }) => {
      if (hive.hive_id === repo.hive_id) return asItSays(choice, repo.hive_id);
      return store === null ? unknown(hive) : asListed(repo, choice, hive, store);
    }),
  }));
  const silent = stores.filter(({ hive, store }) => store === null && hive.hive_id !== repo.hive_id);
  const problems = silent.map(({ hive: { hive_id } }) => ({
    hive_id,
    code: 'HIVE_UNAVAILABLE' as const,
    message: 'it did not list its models in time',
  }));
  return { ...repo, choices, problems };
}

function asItSays({ present_bytes, needed_bytes, fits }: Choice, hive_id: string): ChoiceAtHive {
  const on_disk = needed_bytes === 0 ? 'complete' : present_bytes > 0 ? 'partial' : 'none';
  return { hive_id, on_disk, present_bytes, fits };
}

function unknown({ hive_id }: Hive): ChoiceAtHive {
  return { hive_id, on_disk: 'unknown', present_bytes: null, fits: null };
}

/** From the models and partials that a hive lists. A model of another commit counts where its only file is the same. */
function asListed(repo: Repo, choice: Choice, hive: Hive, { models, partials }: Store): ChoiceAtHive {
  const { hive_id } = hive;
  const isIt = ({ model_id, sha256 }: Store['models'][number]) =>
    model_id === choice.model_id || (choice.sha256 !== null && sha256 === choice.sha256 && choice.projector === null);
  if (models.some(isIt)) {
    return { hive_id, on_disk: 'complete', present_bytes: choice.bytes, fits: true };
  }
  const digests = repo.files.flatMap(({ sha256, choice: name }) => (name === choice.name ? (sha256 ?? []) : []));
  const ofChoice = partials.filter(({ path }) => digests.some((digest) => path.includes(`/${digest}.`)));
  const present = ofChoice.reduce((sum, { bytes }) => sum + bytes, 0);
  const on_disk = present > 0 ? 'partial' : 'none';
  return { hive_id, on_disk, present_bytes: present, fits: fitsAt(hive, repo, choice, present) };
}

function fitsAt(hive: Hive, repo: Repo, { bytes }: Choice, present: number): boolean | null {
  const isOfHub = repo.model_ref.startsWith('hf:');
  const free = isOfHub ? hive.free_bytes : (hive.other_free_bytes ?? hive.free_bytes);
  return bytes === null || free === null ? null : free >= spaceNeeded(Math.max(0, bytes - present));
}
