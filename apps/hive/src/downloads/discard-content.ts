import { discardPartial } from '@rbee/transfer';
import type { DownloadContent } from '../history/saved-rows.ts';
import type { Store } from '../store/store.ts';
import type { SingleFlight } from './single-flight.ts';

export interface DiscardDeps {
  readonly flights: SingleFlight;
  readonly store: Store;
}

/**
 * Deletes the partials of a download. A blob that another download is fetching, or is otherwise wanted, is left alone.
 * Returns whether there was any.
 */
export async function discardContent(
  { flights, store }: DiscardDeps,
  { place, blobNames }: DownloadContent,
  isWanted: (blobName: string) => boolean = () => false,
): Promise<boolean> {
  let isKept = false;
  for (const name of blobNames) {
    if (isWanted(name) || flights.has(store.layout.blob(place, name))) isKept = true;
    else await discardPartial(store.layout.partial(place, name));
  }
  return isKept;
}
