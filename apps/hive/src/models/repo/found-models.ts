import { type FoundModel, parseModelRef, printModelRef, RbeeError } from '@rbee/contract';
import { attempt } from '../../selection/choices.ts';
import { type GgufFiles, ggufFiles, preferredGguf } from '../../selection/gguf.ts';
import { bitsPerWeight, spelled } from '../../selection/quant.ts';
import { isComplete, quantOf } from '../../selection/weight-set.ts';
import type { HubSearchRow } from '../../sources/hugging-face/hub-search.ts';
import { isGated } from '../../sources/hugging-face/hub-tree.ts';

const MAX_QUANTISATIONS = 40;
const BITS_PER_BYTE = 8;

/** What a hub found, for people to choose from. A row whose name no ref can say is left out. */
export function foundModels(rows: readonly HubSearchRow[]): FoundModel[] {
  return rows.flatMap((row): FoundModel[] => {
    const model_ref = refOf(row.id);
    if (model_ref === null) return [];
    const ggufs = ggufFiles((row.siblings ?? []).map(({ rfilename }) => rfilename));
    return [
      {
        repo: row.id,
        model_ref,
        downloads: row.downloads ?? null,
        likes: row.likes ?? null,
        parameters: row.gguf?.total ?? row.safetensors?.total ?? null,
        bytes: bytesOf(row, ggufs),
        quantisations: quantisationsOf(ggufs),
        task: /^[\w-]{1,64}$/.exec(row.pipeline_tag ?? '')?.[0] ?? null,
        gated: isGated(row.gated),
        private: row.private ?? null,
        modified_at: row.lastModified ?? null,
      },
    ];
  });
}

function refOf(id: string): string | null {
  try {
    const ref = parseModelRef(`hf:${id}`);
    return ref.scheme === 'hf' && ref.repo === id ? printModelRef(ref) : null;
  } catch (error) {
    if (error instanceof RbeeError) return null;
    throw error;
  }
}

/** The smallest first. */
function quantisationsOf({ models }: GgufFiles): string[] {
  const quants = models.filter(isComplete).flatMap((set) => quantOf(set) ?? []);
  const sorted = quants.sort((a, b) => bitsPerWeight(a) - bitsPerWeight(b));
  return [...new Set(sorted.map(spelled))].slice(0, MAX_QUANTISATIONS);
}

/** About the size of what is downloaded where a ref names nothing. */
function bytesOf({ gguf, safetensors }: HubSearchRow, ggufs: GgufFiles): number | null {
  if (ggufs.models.length > 0) {
    const [first] = attempt(() => preferredGguf(ggufs)) ?? [];
    const set = ggufs.models.find(({ paths }) => first !== undefined && paths.includes(first));
    const quant = set === undefined ? null : quantOf(set);
    if (quant === null || gguf?.total === undefined) return null;
    return Math.round((gguf.total * bitsPerWeight(quant)) / BITS_PER_BYTE);
  }
  const parameters = Object.entries(safetensors?.parameters ?? {});
  if (parameters.length === 0) return null;
  const bits = parameters.reduce((sum, [type, count]) => sum + count * bitsOfType(type), 0);
  return Math.round(bits / BITS_PER_BYTE);
}

/** The number in the name of a type: `BF16`, `F8_E4M3`, `I64`. */
function bitsOfType(type: string): number {
  return Number(/\d+/.exec(type)?.[0] ?? BITS_PER_BYTE);
}
