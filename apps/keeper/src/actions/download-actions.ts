import type { DownloadStatus, PartialChoice } from '@rbee/contract';
import { exitCodes } from '../errors/exit-codes.ts';
import { sayingCancel } from '../saying-cancel.ts';
import type { Session } from '../session.ts';
import { showCancel } from './cancel-output.ts';

// The actions of the commands below `download`, made like the others.

export async function showDownload(session: Session, id: string): Promise<number> {
  const [{ downloadShow }, { downloadText }] = await Promise.all([
    import('../commands/download-show.ts'),
    import('../render/download-text.ts'),
  ]);
  const download = await session.withQueen((deps) => downloadShow(deps, id));
  session.renderer.answer(download, () => downloadText(download));
  return exitCodes.done;
}

export async function watchDownloads(session: Session, ids: readonly string[]): Promise<number> {
  const { downloadWatch, fleetWatch } = await import('../commands/watch.ts');
  if (ids.length === 0) session.renderer.note('watching the downloads of the fleet; Ctrl+C leaves and changes nothing');
  return session.withQueen((deps) => (ids.length === 0 ? fleetWatch(deps) : downloadWatch(deps, ids)));
}

export async function pauseDownload(session: Session, id: string): Promise<number> {
  const [{ downloadPause }, { changeText }] = await Promise.all([
    import('../commands/download-pause.ts'),
    import('../render/download-text.ts'),
  ]);
  const download = await session.withQueen((deps) => downloadPause(deps, id));
  session.renderer.answer(download, () => changeText(download));
  return exitCodes.done;
}

export async function resumeDownload(session: Session, id: string): Promise<number> {
  const [{ downloadResume }, { changeText }] = await Promise.all([
    import('../commands/download-resume.ts'),
    import('../render/download-text.ts'),
  ]);
  const download = await session.withQueen((deps) => downloadResume(deps, id));
  session.renderer.answer(download, () => changeText(download));
  return exitCodes.done;
}

export async function retryDownload(session: Session, id: string, detach: boolean): Promise<number> {
  const { downloadRetry } = await import('../commands/download-retry.ts');
  const retry = () => session.withQueen((deps) => downloadRetry(deps, id, detach));
  return detach ? retry() : sayingCancel(session, retry);
}

export async function cancelDownload(session: Session, id: string, partial: PartialChoice): Promise<number> {
  const { downloadCancel } = await import('../commands/downloads.ts');
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
    import('../commands/download-clear.ts'),
    import('../render/download-text.ts'),
  ]);
  if (options.olderThan !== undefined) parseDuration(options.olderThan);
  const answer = await session.withQueen((deps) => downloadClear(deps, options));
  session.renderer.answer(answer, () => clearText(answer));
  return exitCodes.done;
}
