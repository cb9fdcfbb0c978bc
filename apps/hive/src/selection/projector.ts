import { isProjector } from '@rbee/contract';
import { nominalBits, quantIn } from './quant.ts';
import { isComplete, quantOf, type WeightSet } from './weight-set.ts';

/**
 * The files of a GGUF model, then the projector that lets it see, if the repo has one: the one in the nearest folder
 * from the model's up to the root, of these one named after the model, of these the nearest in bits, as llama.cpp does.
 */
export function withProjector(model: WeightSet, sidecars: readonly WeightSet[]): readonly string[] {
  const bits = nominalBits(quantOf(model));
  const [best] = sidecars
    .filter((set) => isProjector(set.paths[0] ?? '') && isComplete(set) && model.folder.startsWith(homeOf(set)))
    .map((set) => ({
      set,
      depth: homeOf(set).length,
      kinship: kinshipOf(set, model),
      distance: Math.abs(nominalBits(quantIn(set.stem)) - bits),
    }))
    .sort((a, b) => b.depth - a.depth || b.kinship - a.kinship || a.distance - b.distance);
  return best === undefined ? model.paths : [...model.paths, ...best.set.paths];
}

/** Its folder; for one in a folder for projectors the folder above. */
function homeOf({ folder }: WeightSet): string {
  return folder.replace(/(?<=^|\/)mmprojs?\/$/i, '');
}

/** 2: named after the model; 1: after no model, such as `mmproj-model-f16`; 0: after another one. */
function kinshipOf(projector: WeightSet, model: WeightSet): number {
  const name = bare(projector.stem.replace(/mmproj|(?<![A-Za-z])model(?![A-Za-z])/gi, ''));
  const its = bare(model.stem);
  if (name === '') return 1;
  return its !== '' && (its.startsWith(name) || name.startsWith(its)) ? 2 : 0;
}

/** A name without its quantisation, in letters and digits only. */
function bare(stem: string): string {
  const quant = quantIn(stem);
  const at = quant === null ? -1 : stem.toUpperCase().lastIndexOf(quant.tag.replace(/^F(?=\d)/, ''));
  const text = at < 0 ? stem : stem.slice(0, at).replace(/(?:UD-|i1-|(?<=[-._]|^)FP?)$/i, '');
  return text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}
