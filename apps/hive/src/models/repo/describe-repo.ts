import {
  type Failure,
  MAX_REPO_CHOICES,
  MAX_REPO_FILES,
  type ModelRef,
  modelIdOf,
  parseModelRef,
  printModelRef,
  RbeeError,
  type Repo,
  redactModelRef,
  spaceNeeded,
} from '@rbee/contract';
import { type HuggingFace, isUnreachable } from '../../sources/hugging-face/hugging-face.ts';
import type { ResolvedModel } from '../../sources/source.ts';
import type { WantedFile } from '../../store/contents/present-bytes.ts';
import type { Store } from '../../store/store.ts';
import { type FactChoice, type FactFile, factsOfHub, factsOfModel, type RepoFacts } from './repo-facts.ts';
import { soonAgain } from './soon-again.ts';

export interface DescribeDeps {
  readonly hiveId: string;
  readonly store: Pick<Store, 'presentBytes' | 'freeBytes'>;
  readonly hub: Pick<HuggingFace, 'list'>;
  /** One attempt to find out what a ref stands for. */
  readonly resolve: (ref: ModelRef, signal: AbortSignal) => Promise<ResolvedModel>;
}

/** What a ref and its repo have, and how much of that is on disk. */
export async function describeRepo(deps: DescribeDeps, ref: ModelRef, signal: AbortSignal): Promise<Repo> {
  const facts = await factsOf(deps, ref, signal);
  const present = await presentOf(deps.store, facts);
  const presentAt = (path: string) => present.get(path) ?? 0;
  const freeBytes = await deps.store.freeBytes(facts.place);
  const byPath = new Map(facts.files.map((file) => [file.path, file]));
  const choices = facts.choices.map((choice) => choiceOf(choice, byPath, presentAt, freeBytes));
  const ofWeights = new Map(facts.choices.flatMap(({ name, weights }) => weights.map((path) => [path, name] as const)));
  return {
    hive_id: deps.hiveId,
    model_ref: redactModelRef(ref),
    ...{ repo: facts.title, revision: facts.revision, commit: facts.commit },
    ...{ gated: facts.isGated, private: facts.isPrivate },
    choices: choices.sort(smallestFirst).slice(0, MAX_REPO_CHOICES),
    problem: facts.problem === null ? null : failureOf(facts.problem),
    files: facts.files
      .toSorted((a, b) => RANKS.indexOf(a.kind) - RANKS.indexOf(b.kind) || (a.path < b.path ? -1 : 1))
      .slice(0, MAX_REPO_FILES)
      .map(({ path, size, sha256, kind, problem }) => ({
        ...{ path, bytes: size, sha256, present_bytes: presentAt(path), kind },
        choice: ofWeights.get(path) ?? null,
        problem,
      })),
    files_total: facts.files.length,
    bytes: sumOf(facts.files),
    free_bytes: freeBytes,
  };
}

/** The order of files, of which not all may be listed. */
const RANKS: readonly FactFile['kind'][] = ['model', 'projector', 'sidecar', 'other'];

async function factsOf(deps: DescribeDeps, ref: ModelRef, signal: AbortSignal): Promise<RepoFacts> {
  const single = async () =>
    factsOfModel(await soonAgain(() => deps.resolve(ref, signal), signal), redactModelRef(ref));
  if (ref.scheme !== 'hf') return single();
  try {
    const repo = await soonAgain(() => deps.hub.list(ref, signal), signal);
    return factsOfHub(ref, repo, readable);
  } catch (error) {
    if (!isUnreachable(error)) throw error;
    // The store may have it in full.
    return single();
  }
}

/** The text of a ref; null where its names or its length make it unreadable. */
function readable(ref: ModelRef): string | null {
  const text = printModelRef(ref);
  try {
    return printModelRef(parseModelRef(text));
  } catch (error) {
    if (error instanceof RbeeError) return null;
    throw error;
  }
}

/** Only files that a choice or the response names are looked up. */
async function presentOf(store: DescribeDeps['store'], facts: RepoFacts): Promise<Map<string, number>> {
  const chosen = new Set(facts.choices.flatMap(({ paths }) => paths));
  const wanted = facts.files.flatMap(({ path, wanted }, index): WantedFile[] =>
    wanted !== null && (index < MAX_REPO_FILES || chosen.has(path)) ? [wanted] : [],
  );
  const bytes = await store.presentBytes(facts.place, facts.commit, wanted);
  return new Map(wanted.map(({ path }, index) => [path, bytes[index] ?? 0]));
}

function choiceOf(
  { name, quantisation, isChosen, modelRef, pinnedRef, paths, weights }: FactChoice,
  byPath: ReadonlyMap<string, FactFile>,
  presentAt: (path: string) => number,
  freeBytes: number | null,
): Repo['choices'][number] {
  const files = paths.flatMap((path) => byPath.get(path) ?? []);
  const sizes = files.map(({ path, size }) => ({ size, present: presentAt(path) }));
  const needed = sizes.reduce<number | null>(
    (sum, { size, present }) => (sum === null || size === null ? null : sum + Math.max(0, size - present)),
    0,
  );
  const [only, ...others] = weights;
  return {
    ...{ name, quantisation, model_ref: modelRef, model_id: modelIdOf(pinnedRef), chosen: isChosen },
    files: paths.length,
    projector: files.find(({ kind }) => kind === 'projector')?.path ?? null,
    sha256: only === undefined || others.length > 0 ? null : (byPath.get(only)?.sha256 ?? null),
    bytes: sumOf(files),
    present_bytes: sizes.reduce((sum, { present }) => sum + present, 0),
    needed_bytes: needed,
    fits: needed === null || freeBytes === null ? null : freeBytes >= spaceNeeded(needed),
  };
}

function sumOf(files: readonly Pick<FactFile, 'size'>[]): number | null {
  return files.reduce<number | null>((sum, { size }) => (sum === null || size === null ? null : sum + size), 0);
}

function smallestFirst(a: Repo['choices'][number], b: Repo['choices'][number]): number {
  return (a.bytes ?? 0) - (b.bytes ?? 0) || (a.name < b.name ? -1 : 1);
}

function failureOf({ code, message, hint }: RbeeError): Failure {
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}
