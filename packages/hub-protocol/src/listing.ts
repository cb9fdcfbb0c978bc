import { z } from 'zod';

const commitSchema = z.string().regex(/^[0-9a-f]{40}$/);
const sizeSchema = z.int().nonnegative();

/** Left out by some hubs, and of another kind at others: then it says nothing. */
const maybe = <S extends z.ZodType>(schema: S) => schema.optional().catch(undefined);
const siblingsSchema = maybe(z.array(z.object({ rfilename: z.string() })));
/** `false`, or how access is granted: `auto` or `manual`. */
const gatedSchema = maybe(z.union([z.boolean(), z.string()]));

/** `GET /api/models/{repo}/revision/{rev}`. A mirror without a tree has its files in `siblings` alone. */
export const modelInfoSchema = z.object({
  sha: commitSchema,
  siblings: siblingsSchema,
  gated: gatedSchema,
  private: maybe(z.boolean()),
});

export type ModelInfo = z.infer<typeof modelInfoSchema>;

const countSchema = maybe(z.int().nonnegative());

/**
 * A row of `GET /api/models?search=…&expand=…`: `id` and what `expand` names. Without `expand` there are no `gguf` and `safetensors`, and
 * `siblings` only with `full=true` (huggingface_hub, `list_models`).
 */
export const foundModelSchema = z.object({
  id: z.string(),
  downloads: countSchema,
  likes: countSchema,
  gated: gatedSchema,
  private: maybe(z.boolean()),
  lastModified: maybe(z.iso.datetime()),
  pipeline_tag: maybe(z.string()),
  siblings: siblingsSchema,
  /** `total` is the number of parameters. */
  gguf: maybe(z.object({ total: countSchema })),
  /** Parameters by type, such as `BF16`. */
  safetensors: maybe(z.object({ parameters: maybe(z.record(z.string(), z.int().nonnegative())), total: countSchema })),
});

export type FoundModel = z.infer<typeof foundModelSchema>;

/** What a search wants to know of a model beside its name. */
export const SEARCH_FIELDS = [
  'downloads',
  'likes',
  'gated',
  'private',
  'lastModified',
  'pipeline_tag',
  'siblings',
  'gguf',
  'safetensors',
] as const;

/** A file of `GET /api/models/{repo}/tree/{rev}`. */
export interface TreeFile {
  readonly path: string;
  /** Null at mirrors that leave it out. */
  readonly size: number | null;
  /** Git object id: of an LFS file that of its pointer. Null at mirrors that leave it out. */
  readonly oid: string | null;
  /** Of an LFS file: the sha256 and size of its content. */
  readonly lfs?: { readonly oid: string; readonly size: number } | undefined;
}

/** Mirrors write `null` for what they do not know, and digests in capitals. */
const orNull = <S extends z.ZodType>(schema: S) => schema.nullish().transform((value) => value ?? null);
const treeFileSchema: z.ZodType<TreeFile> = z.object({
  path: z.string(),
  oid: orNull(z.string().toLowerCase().pipe(commitSchema)),
  size: orNull(sizeSchema),
  lfs: z
    .object({
      oid: z
        .string()
        .toLowerCase()
        .regex(/^[0-9a-f]{64}$/),
      size: sizeSchema,
    })
    .nullish()
    .transform((value) => value ?? undefined),
});

/** The files of one page of a tree, without its folders, of which not every hub says as much; null where it is no page of a tree. */
export function readTreeFiles(page: unknown): TreeFile[] | null {
  if (!Array.isArray(page)) return null;
  const files: TreeFile[] = [];
  for (const row of page as unknown[]) {
    if (typeof row !== 'object' || row === null || !('type' in row)) return null;
    if (row.type !== 'file') continue;
    const parsed = treeFileSchema.safeParse(row);
    if (!parsed.success) return null;
    files.push(parsed.data);
  }
  return files;
}
