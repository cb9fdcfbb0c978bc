import { errorOfDisk } from './disk/disk-error.ts';
import { FileTransfer } from './file-transfer.ts';
import { openPartial, type PartialFile } from './partial/partial-file.ts';
import type { FileRequest, TransferOptions, TransferResult } from './types.ts';

/**
 * Brings one file to its final name: fetched or continued, verified, synced, renamed.
 * A failure or an abort keeps the partial, except where its content was at fault.
 * @throws RbeeError with a code of the contract's table; the signal's reason when aborted
 */
export async function transferFile(request: FileRequest, options: TransferOptions): Promise<TransferResult> {
  const { signal } = options;
  signal.throwIfAborted();
  const wanted = {
    ...request,
    locate: (locateSignal: AbortSignal) => request.locate(locateSignal),
    sha256: lowerCase(request.sha256),
    gitSha1: lowerCase(request.gitSha1),
  };
  let partial: PartialFile | null = null;
  try {
    partial = await openPartial(request.partialPath, wanted, options.pool?.release);
    const result = await new FileTransfer(wanted, options, partial).run();
    await partial.close();
    return result;
  } catch (error) {
    await partial?.stop();
    if (signal.aborted) throw signal.reason;
    const neededBytes = request.size === null ? null : request.size - (partial?.bytes ?? 0);
    throw await errorOfDisk(error, request.partialPath, neededBytes);
  }
}

function lowerCase(digest: string | null): string | null {
  return digest?.toLowerCase() ?? null;
}
