import { type HfRef, RbeeError } from '@rbee/contract';
import { listed, shortened } from '../../selection/listed.ts';
import { isChosenByRule, selectFiles } from '../../selection/select-files.ts';
import type { HubFile } from './hub-file.ts';
import type { HubTreeEntry } from './hub-tree.ts';

/** Files of one choice that the hub is asked about one by one, where its list has names only. */
const MAX_INSPECTED = 1_000;
const PARALLEL = 4;
const WEIGHTS = /\.(?:gguf|safetensors|bin|pt|pth|ckpt|onnx|h5|msgpack|npz)$/i;

export interface ChosenFiles {
  readonly entries: readonly HubTreeEntry[];
  /** What the hub said of the files that its list says nothing about. */
  readonly inspected: ReadonlyMap<string, HubFile>;
  /** Names that cannot be stored and were not chosen; null where there are none. */
  readonly leftOut: string | null;
}

/** The files of a tree that a ref may choose. */
export function candidatesOf(tree: readonly HubTreeEntry[], ref: Pick<HfRef, 'files' | 'include' | 'exclude'>) {
  // Globs mean every file that they match. The choice of our own rules is as good without an image or a text, but not without weights.
  const hasGlobs = !isChosenByRule({ ...ref, quant: null });
  return tree.filter(({ path, problem }) => problem === null || hasGlobs || WEIGHTS.test(path));
}

/** @throws RbeeError MODEL_NOT_FOUND where one of the chosen files has a name that cannot be stored */
export function assertStorable(entries: readonly HubTreeEntry[]): void {
  const odd = entries.find(({ problem }) => problem !== null);
  if (odd !== undefined) throw notStorable(odd);
}

/**
 * The files of a tree that a ref means. Where sizes are missing they are asked for, and the choice is made again with them. A file
 * whose name cannot be stored is left out, unless the ref chooses it.
 * @throws RbeeError MODEL_NOT_FOUND as `selectFiles` says, and for a chosen file that cannot be stored
 */
export async function chooseFiles(
  tree: readonly HubTreeEntry[],
  ref: HfRef,
  inspect: (path: string) => Promise<HubFile>,
): Promise<ChosenFiles> {
  const inspected = new Map<string, HubFile>();
  const candidates = candidatesOf(tree, ref);
  const byPath = new Map(candidates.map((entry) => [entry.path, entry]));
  for (;;) {
    const sizes = candidates.map(({ path, size }) => ({ path, size: size ?? inspected.get(path)?.size ?? 0 }));
    const entries = selectFiles(sizes, ref).flatMap((path) => byPath.get(path) ?? []);
    assertStorable(entries);
    const unknown = entries.filter((entry) => !isDescribed(entry) && !inspected.has(entry.path));
    if (unknown.length === 0) return { entries, inspected, leftOut: leftOutOf(tree) };
    if (inspected.size + unknown.length > MAX_INSPECTED) {
      throw new RbeeError('MODEL_NOT_FOUND', `the hub gives no sizes, and the ref means ${unknown.length} files`, {
        hint: 'name files with ::file= or ::include=',
      });
    }
    await inspectAll(unknown, inspect, inspected);
  }
}

/** Whether the list says all that has to be known before the file is requested. */
function isDescribed({ size, sha256, gitSha1 }: HubTreeEntry): boolean {
  return size !== null && (sha256 ?? gitSha1) !== null;
}

async function inspectAll(
  entries: readonly HubTreeEntry[],
  inspect: (path: string) => Promise<HubFile>,
  inspected: Map<string, HubFile>,
): Promise<void> {
  const queue = entries.values();
  const worker = async () => {
    for (const { path } of queue) inspected.set(path, await inspect(path));
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

function notStorable({ path, problem }: HubTreeEntry): RbeeError {
  return new RbeeError('MODEL_NOT_FOUND', `the ref chooses ${shortened(path)}, which cannot be stored: ${problem}`, {
    hint: `leave it out with ::exclude=${globFor(path)}`,
  });
}

/** A glob that can be typed into a ref, for a name that cannot. */
function globFor(path: string): string {
  const text = path.replaceAll(/[\p{C}\p{Zl}\p{Zp}\\*?[\]:]/gu, '?');
  return /(?:^|\/)\.\.(?:\/|$)|^\//.test(text) ? `*${text.slice(text.lastIndexOf('/') + 1).replace('..', '??')}` : text;
}

function leftOutOf(tree: readonly HubTreeEntry[]): string | null {
  const odd = tree.filter(({ problem }) => problem !== null);
  const [first] = odd;
  if (first === undefined) return null;
  const names = listed(odd.map(({ path }) => path));
  return `Left out, because the name cannot be stored (${first.problem}): ${names}`;
}
