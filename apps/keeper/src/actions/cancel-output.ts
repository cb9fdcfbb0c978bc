import type { CancelledJob } from '@rbee/contract';
import { exitCodes } from '../errors/exit-codes.ts';
import type { Session } from '../session.ts';

/** Shows what a cancel did; the exit code says whether every hive could be told. */
export async function showCancel(session: Session, receipt: CancelledJob): Promise<number> {
  const { cancelText } = await import('../render/list-text.ts');
  session.renderer.answer(receipt, () => cancelText(receipt));
  const isAllStopped = receipt.downloads.every(({ state }) => state !== 'unreachable');
  return isAllStopped ? exitCodes.done : exitCodes.unreachable;
}
