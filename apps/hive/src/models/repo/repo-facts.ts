import { type HfRef, isProjector, RbeeError, type RepoFile } from '@rbee/contract';
import { type Choice, choicesOf, isSameFiles } from '../../selection/choices.ts';
import { ggufFiles } from '../../selection/gguf.ts';
import { isChosenByRule, selectFiles } from '../../selection/select-files.ts';
import { assertStorable, candidatesOf } from '../../sources/hugging-face/choose-files.ts';
import type { HubTreeEntry } from '../../sources/hugging-face/hub-tree.ts';
import type { HubRepo } from '../../sources/hugging-face/hugging-face.ts';
import { type ResolvedModel, soleFileOf } from '../../sources/source.ts';
import type { WantedFile } from '../../store/contents/present-bytes.ts';

/** One file, as far as its source tells. */
export interface FactFile {
  readonly path: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly problem: string | null;
  readonly kind: RepoFile['kind'];
  /** How the store names it; null where that is only known once it is requested. */
  readonly wanted: WantedFile | null;
}

/** What a ref leads to, whatever its source. */
export interface RepoFacts {
  readonly place: string;
  readonly title: string;
  readonly revision: string;
  readonly commit: string;
  readonly isGated: boolean | null;
  readonly isPrivate: boolean | null;
  readonly files: readonly FactFile[];
  readonly choices: readonly FactChoice[];
  /** Why a download of the ref would be refused. */
  readonly problem: RbeeError | null;
}

/** One way to download something of it. */
export interface FactChoice extends Omit<Choice, 'wish'> {
  readonly isChosen: boolean;
  readonly modelRef: string;
  readonly pinnedRef: string;
}

/** @param print the ref for a choice; null where no ref can say it */
export function factsOfHub(ref: HfRef, repo: HubRepo, print: (ref: HfRef) => string | null): RepoFacts {
  const { commit, isGated, isPrivate } = repo;
  const all = new Map(repo.entries.map((entry) => [entry.path, entry]));
  const { chosen, problem } = chosenBy(ref, repo.entries);
  const byRule = { ...ref, files: [], include: [], quant: null, exclude: isChosenByRule(ref) ? ref.exclude : [] };
  const own = choicesOf(sizesOf(candidatesOf(repo.entries, byRule)), byRule.exclude).filter(({ paths }) =>
    paths.every((path) => all.get(path)?.problem === null),
  );
  const isListed = chosen === null || own.some(({ paths }) => isSameFiles(paths, chosen));
  const choices = isListed ? own : [asked(ref, chosen), ...own];
  return {
    place: `hf:${ref.repo}`,
    title: ref.repo,
    revision: ref.revision,
    commit,
    isGated,
    isPrivate,
    files: kindsOf(repo.entries, choices),
    choices: choices.flatMap(({ wish, ...choice }) => {
      const of = { ...ref, ...wish };
      const modelRef = print(of);
      if (modelRef === null) return [];
      const isChosen = chosen !== null && isSameFiles(choice.paths, chosen);
      return [{ ...choice, isChosen, modelRef, pinnedRef: repo.pinnedRef(of, choice.paths) }];
    }),
    problem,
  };
}

/** A model whose source has nothing else to choose. */
export function factsOfModel(model: ResolvedModel, modelRef: string): RepoFacts {
  const paths = model.files.map(({ path }) => path);
  const choice = { name: model.title, quantisation: null, paths, weights: paths };
  const sole = soleFileOf(model.files)?.sha256 ?? null;
  return {
    ...{ place: model.place, title: model.title, revision: model.revision, commit: model.commit },
    isGated: null,
    isPrivate: null,
    files: model.files.map((file) => {
      const { path, size, sha256 } = file;
      return { path, size, sha256, problem: null, kind: 'model', wanted: file };
    }),
    choices: [{ ...choice, isChosen: true, modelRef, pinnedRef: model.pinnedRef(sole) }],
    problem: null,
  };
}

const sizesOf = (entries: readonly HubTreeEntry[]) => entries.map(({ path, size }) => ({ path, size: size ?? 0 }));

/** What a download of the ref takes, or why it takes nothing. */
function chosenBy(ref: HfRef, entries: readonly HubTreeEntry[]) {
  try {
    const chosen = selectFiles(sizesOf(candidatesOf(entries, ref)), ref);
    assertStorable(entries.filter(({ path }) => chosen.includes(path)));
    return { chosen, problem: null };
  } catch (error) {
    if (error instanceof RbeeError) return { chosen: null, problem: error };
    throw error;
  }
}

/** The choice that a ref makes by names or globs. */
function asked({ files, include, exclude, quant }: HfRef, paths: readonly string[]): Choice {
  const [first = ''] = paths;
  const name = paths.length === 1 ? first : (quant ?? `${paths.length} files`);
  return { name, quantisation: quant, wish: { files, include, exclude, quant }, paths, weights: [] };
}

function kindsOf(entries: readonly HubTreeEntry[], choices: readonly Choice[]): FactFile[] {
  const weights = new Set(choices.flatMap((choice) => choice.weights));
  const sidecars = new Set(ggufFiles(entries.map(({ path }) => path)).sidecars.flatMap(({ paths }) => paths));
  const kindOf = (path: string): RepoFile['kind'] => {
    if (weights.has(path)) return 'model';
    if (!sidecars.has(path)) return 'other';
    return isProjector(path) ? 'projector' : 'sidecar';
  };
  return entries.map(({ path, size, sha256, gitSha1, problem }) => {
    const blobName = problem === null ? (sha256 ?? gitSha1) : null;
    const ofPlain = sha256 === null ? gitSha1 : null;
    const wanted = blobName === null ? null : { path, blobName, size, sha256, gitSha1: ofPlain };
    return { path, size, sha256, problem, kind: kindOf(path), wanted };
  });
}
