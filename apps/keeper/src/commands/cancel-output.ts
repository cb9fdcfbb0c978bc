import type { CancelledDownload, CancelledJob } from '@rbee/contract';
import { exitCodes } from '../errors/exit-codes.ts';
import type { Session } from '../session.ts';

/** Does work that the first Ctrl+C cancels, and tells the user when it does. */
export async function withCancelNote<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const onAbort = () => session.renderer.note('cancelling; press Ctrl+C again to exit immediately');
  session.io.interrupt.addEventListener('abort', onAbort, { once: true });
  try {
    return await work();
  } finally {
    session.io.interrupt.removeEventListener('abort', onAbort);
  }
}

/** Shows what a cancel did. The exit code says whether it reached every hive. */
export async function showReceipt(session: Session, receipt: CancelledJob | CancelledDownload): Promise<number> {
  const { cancelledText } = await import('../render/end-text.ts');
  session.renderer.result(receipt, () => cancelledText(receipt));
  const isAllStopped = receipt.downloads.every(({ state }) => state !== 'unreachable');
  return isAllStopped ? exitCodes.done : exitCodes.unreachable;
}
