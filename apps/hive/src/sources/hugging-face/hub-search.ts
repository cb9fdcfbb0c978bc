import { RbeeError } from '@rbee/contract';
import { type FoundModel, foundModelSchema, hubPaths, SEARCH_FIELDS } from '@rbee/hub-protocol';
import { createHubApi, type HubApi } from './hub-api.ts';
import { unexpectedResponse } from './hub-error.ts';
import type { HubAccess } from './hub-file.ts';

/** A repo of many files has all their names in its row. */
const MAX_ROW_BYTES = 2 * 1024 * 1024;
/** For all rows: what comes after that is left out. */
const MAX_SEARCH_BYTES = 16 * 1024 * 1024;

export type HubSearchRow = FoundModel;

/**
 * The models of a hub whose names match some words, the most downloaded first.
 * @throws RbeeError as every request to a hub; SOURCE_UNAVAILABLE where it has no search
 */
export async function searchHub(
  hub: HubAccess,
  words: string,
  limit: number,
  signal: AbortSignal,
): Promise<HubSearchRow[]> {
  const api = createHubApi(hub, { repo: 'the search', revision: 'main' }, signal);
  const query = { search: words, limit: String(limit), sort: 'downloads', direction: '-1' };
  const url = (more: readonly (readonly [string, string])[]) => {
    const target = new URL(hub.endpoint + hubPaths.search);
    for (const [name, value] of [...Object.entries(query), ...more]) target.searchParams.append(name, value);
    return target;
  };
  try {
    return await readRows(api, url(SEARCH_FIELDS.map((field) => ['expand', field])), limit);
  } catch (error) {
    if (!(error instanceof RbeeError) || error.details?.['status'] !== 400) throw error;
    // A hub that does not know one of the fields refuses them all.
    return readRows(api, url([['full', 'true']]), limit);
  }
}

async function readRows(api: HubApi, url: URL, limit: number): Promise<HubSearchRow[]> {
  const page = await api.rows(url, MAX_ROW_BYTES);
  if (page === null) {
    throw new RbeeError('SOURCE_UNAVAILABLE', `${url.origin} has no search`, {
      hint: 'search at https://huggingface.co/models, and download by name: org/repo',
      details: { status: 404 },
    });
  }
  const found: HubSearchRow[] = [];
  let byteCount = 0;
  for await (const { rows, bytes } of page.batches) {
    byteCount += bytes;
    for (const row of rows) {
      const parsed = foundModelSchema.safeParse(row);
      if (!parsed.success) throw unexpectedResponse('its JSON is not that of a hub');
      found.push(parsed.data);
    }
    if (found.length >= limit || byteCount >= MAX_SEARCH_BYTES) break;
  }
  return found.slice(0, limit);
}
