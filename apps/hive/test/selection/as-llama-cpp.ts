/**
 * What `llama-server -hf org/repo[:tag]` takes of a repo, the model's files first; null where it finds no model. Its
 * rule as of autumn 2026 (common/download.cpp), written again as the reference of the table: `paths` in the hub's order.
 */
export function asLlamaCpp(paths: readonly string[], tag = ''): readonly string[] | null {
  if (paths.includes('preset.ini')) return ['preset.ini'];
  const model = bestModel(paths, tag);
  if (model === null) return null;
  const { prefix, total } = splitOf(model);
  const isPart = (path: string) => splitOf(path).prefix === prefix && splitOf(path).total === total;
  const files = total > 1 ? paths.filter((path) => path.endsWith('.gguf') && isPart(path)) : [model];
  const projector = bestProjector(paths, model);
  return projector === null ? files : [...files, projector];
}

/** The first file of the first wanted tag that any has; without a tag the first file of all. */
function bestModel(paths: readonly string[], tag: string): string | null {
  const models = paths.filter((path) => isModel(path) && splitOf(path).index === 1);
  for (const wanted of tag === '' ? ['Q4_K_M', 'Q8_0'] : [tag]) {
    const found = models.find((path) => new RegExp(`${wanted}[.-]`, 'i').test(path));
    if (found !== undefined) return found;
  }
  return tag === '' ? (models[0] ?? null) : null;
}

const SIDECARS = ['mmproj', 'imatrix', 'mtp-', 'eagle3-', 'dflash-', 'dspark-'];

function isModel(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return name.endsWith('.gguf') && !SIDECARS.some((word) => name.includes(word));
}

/** In the deepest folder that the model is in or below, the one nearest in bits; of equals the first. */
function bestProjector(paths: readonly string[], model: string): string | null {
  const folder = model.slice(0, model.lastIndexOf('/') + 1);
  let best: { path: string; depth: number; distance: number } | null = null;
  for (const path of paths) {
    const itsFolder = path.slice(0, path.lastIndexOf('/') + 1);
    if (!path.endsWith('.gguf') || !path.includes('mmproj') || !folder.startsWith(itsFolder)) continue;
    const depth = itsFolder.split('/').length;
    const distance = Math.abs(bitsOf(path) - bitsOf(model));
    const isBetter = best === null || depth > best.depth || (depth === best.depth && distance < best.distance);
    if (isBetter) best = { path, depth, distance };
  }
  return best?.path ?? null;
}

/** The first number of the tag: 4 for `-IQ4_XS`, 0 for none. */
function bitsOf(path: string): number {
  const tag = /[-.]([A-Z0-9_]+)$/i.exec(splitOf(path).prefix)?.[1] ?? '';
  return Number(/\d+/.exec(tag)?.[0] ?? 0);
}

function splitOf(path: string): { prefix: string; index: number; total: number } {
  const name = path.replace(/\.gguf$/, '');
  const [, prefix = name, index = '1', total = '1'] = /^(.+)-(\d{5})-of-(\d{5})$/i.exec(name) ?? [];
  return { prefix, index: Number(index), total: Number(total) };
}
