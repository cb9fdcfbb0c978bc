import type { DownloadStatus, PartialChoice } from '@rbee/contract';
import { exitCodes } from './exit-codes.ts';
import { sayingCancel } from './saying-cancel.ts';
import type { Session } from './session.ts';
import { showCancel } from './show-cancel.ts';

// The actions of the commands below `download`, made like the others.

export async function listDownloads(
  session: Session,
  request: { readonly status?: DownloadStatus; readonly limit?: number },
): Promise<number> {
  const [{ downloadList }, { downloadsText }] = await Promise.all([
    import('./commands/download-list.ts'),
    import('./render/list-text.ts'),
  ]);
  const listing = await session.withQueen((deps) => downloadList(deps, request));
  session.renderer.answer({ downloads: listing.downloads }, () => downloadsText(listing, session.text));
  return exitCodes.done;
}

export async function showDownload(session: Session, id: string): Promise<number> {
  const [{ downloadShow }, { downloadText }] = await Promise.all([
    import('./commands/download-show.ts'),
    import('./render/download-text.ts'),
  ]);
  const download = await session.withQueen((deps) => downloadShow(deps, id));
  session.renderer.answer(download, () => downloadText(download));
  return exitCodes.done;
}

export async function watchDownloads(session: Session, ids: readonly string[]): Promise<number> {
  const { downloadWatch } = await import('./commands/download-watch.ts');
  const code = await session.withQueen((deps) => downloadWatch(deps, ids));
  if (code === null) session.renderer.note('no download is running');
  return code ?? exitCodes.done;
}

export async function pauseDownload(session: Session, id: string): Promise<number> {
  const [{ downloadPause }, { changeText }] = await Promise.all([
    import('./commands/download-pause.ts'),
    import('./render/download-text.ts'),
  ]);
  const download = await session.withQueen((deps) => downloadPause(deps, id));
  session.renderer.answer(download, () => changeText(download));
  return exitCodes.done;
}

export async function resumeDownload(session: Session, id: string): Promise<number> {
  const [{ downloadResume }, { changeText }] = await Promise.all([
    import('./commands/download-resume.ts'),
    import('./render/download-text.ts'),
  ]);
  const download = await session.withQueen((deps) => downloadResume(deps, id));
  session.renderer.answer(download, () => changeText(download));
  return exitCodes.done;
}

export async function retryDownload(session: Session, id: string, detach: boolean): Promise<number> {
  const { downloadRetry } = await import('./commands/download-retry.ts');
  const retry = () => session.withQueen((deps) => downloadRetry(deps, id, detach));
  return detach ? retry() : sayingCancel(session, retry);
}

export async function cancelDownload(session: Session, id: string, partial: PartialChoice): Promise<number> {
  const { downloadCancel } = await import('./commands/download-cancel.ts');
  return showCancel(session, await session.withQueen((deps) => downloadCancel(deps, id, partial)));
}

export interface ClearOptions {
  readonly status?: DownloadStatus;
  /** A duration: those that ended longer ago. */
  readonly olderThan?: string;
}

export async function clearDownloads(session: Session, options: ClearOptions): Promise<number> {
  const [{ parseDuration }, { downloadClear }, { clearText }] = await Promise.all([
    import('@rbee/contract'),
    import('./commands/download-clear.ts'),
    import('./render/download-text.ts'),
  ]);
  if (options.olderThan !== undefined) parseDuration(options.olderThan);
  const answer = await session.withQueen((deps) => downloadClear(deps, options));
  session.renderer.answer(answer, () => clearText(answer));
  return exitCodes.done;
}
