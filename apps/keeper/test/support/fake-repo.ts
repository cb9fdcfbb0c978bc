import { type FleetRepo, fleetRepoSchema, modelIdOf } from '@rbee/contract';

/** A repo with these quantisations, which every hive can store and none has. */
export function repoWith(names: readonly string[], hives: readonly string[] = ['gpu-1'], repo = 'org/repo'): FleetRepo {
  const choices = names.map((name, index) => ({
    name,
    quantisation: name,
    model_ref: `hf:${repo}:${name}`,
    model_id: modelIdOf(`hf:${repo}@0::file=${name}.gguf`),
    chosen: index === 0,
    files: 1,
    projector: null,
    sha256: null,
    bytes: 4_000_000_000,
    present_bytes: 0,
    needed_bytes: 4_000_000_000,
    fits: true,
    hives: hives.map((hive_id) => ({ hive_id, on_disk: 'none' as const, present_bytes: 0, fits: true })),
  }));
  return fleetRepoSchema.parse({
    hive_id: hives[0],
    model_ref: `hf:${repo}`,
    repo,
    revision: 'main',
    commit: '0'.repeat(40),
    gated: false,
    private: false,
    choices,
    problem: null,
    files: [],
    files_total: names.length,
    bytes: null,
    free_bytes: null,
    problems: [],
  });
}
