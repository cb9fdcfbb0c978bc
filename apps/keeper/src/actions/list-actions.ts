import type { DownloadStatus } from '@rbee/contract';
import { exitCodes } from '../errors/exit-codes.ts';
import type { Session } from '../session.ts';

// The actions that only list. They load neither schemas nor streams, so that they answer at once.

export async function listModels(session: Session, { hive }: { readonly hive?: string } = {}): Promise<number> {
  const [{ modelList }, { modelsText, storeNotesText }] = await Promise.all([
    import('../commands/lists.ts'),
    import('../render/list-text.ts'),
  ]);
  const listing = await session.withLists((deps) => modelList(deps, hive));
  session.renderer.answer(
    listing,
    () => modelsText(listing, session.text),
    () => storeNotesText(listing, session.text),
  );
  return listing.problems.some(({ path }) => path === null) ? exitCodes.unreachable : exitCodes.done;
}

export async function listJobs(session: Session): Promise<number> {
  const [{ jobList }, { jobsText }] = await Promise.all([
    import('../commands/job-list.ts'),
    import('../render/list-text.ts'),
  ]);
  const jobs = await session.withLists(jobList);
  session.renderer.answer({ jobs }, () => jobsText(jobs, session.text));
  return exitCodes.done;
}

export async function listHives(session: Session): Promise<number> {
  const [{ hiveList }, { hivesText }] = await Promise.all([
    import('../commands/hive-list.ts'),
    import('../render/list-text.ts'),
  ]);
  const hives = await session.withLists(hiveList);
  session.renderer.answer({ hives }, () => hivesText(hives, session.text));
  return exitCodes.done;
}

export async function showStatus(session: Session): Promise<number> {
  const [{ status }, { statusText }] = await Promise.all([
    import('../commands/status.ts'),
    import('../render/list-text.ts'),
  ]);
  const fleet = await session.withLists(status);
  session.renderer.answer(fleet, () => statusText(fleet, session.text));
  return exitCodes.done;
}

export async function listDownloads(
  session: Session,
  request: { readonly status?: DownloadStatus; readonly limit?: number },
): Promise<number> {
  const [{ downloadList }, { downloadsText }] = await Promise.all([
    import('../commands/download-list.ts'),
    import('../render/list-text.ts'),
  ]);
  const listing = await session.withLists((deps) => downloadList(deps, request));
  session.renderer.answer({ downloads: listing.downloads }, () => downloadsText(listing, session.text));
  return exitCodes.done;
}
