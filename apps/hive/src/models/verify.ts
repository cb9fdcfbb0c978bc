import { type Clock, formatBytes, type ModelId, type ModelVerified } from '@rbee/contract';
import { narrate, withHeartbeat } from '@rbee/jobs';
import { bytesOf } from '../store/contents/stored-model.ts';
import type { Store } from '../store/store.ts';

export interface VerifyDeps {
  readonly clock: Clock;
  readonly store: Store;
  readonly heartbeatIntervalMs: number;
}

/** Reads every byte of one model, or of all where `id` is null, with a heartbeat. @throws RbeeError MODEL_NOT_FOUND */
export async function verifyModels(
  { clock, store, heartbeatIntervalMs: intervalMs }: VerifyDeps,
  id: ModelId | null,
  signal: AbortSignal,
): Promise<ModelVerified> {
  const models = id === null ? await store.models() : [await store.find(id)];
  const total = models.reduce((sum, { files }) => sum + bytesOf(files), 0);
  narrate(
    'verify_start',
    `🔍 Verifying ${models.length === 1 ? '1 model' : `${models.length} models`} (${formatBytes(total)})`,
  );
  const known = new Map();
  let current = '';
  let doneBytes = 0;
  const beat = () => {
    const share = `${formatBytes(doneBytes)} of ${formatBytes(total)} done`;
    narrate('verify_progress', `⏳ Still verifying ${current} (${share})`);
  };
  return withHeartbeat({ clock, intervalMs, signal, beat }, async () => {
    const verified: ModelVerified['models'] = [];
    for (const model of models) {
      signal.throwIfAborted();
      let before = 0;
      const onFile = (path: string, bytes: number) => {
        doneBytes += before;
        before = bytes;
        current = path;
      };
      const result = await store.verify(model, { signal, onFile, known });
      doneBytes += before;
      verified.push(result);
      for (const { message } of result.problems) narrate('verify_damaged', `❌ ${message}`, 'error');
      if (result.ok) narrate('verify_ok', `✅ ${result.model_ref}: OK, ${formatBytes(result.bytes)} verified`);
      else narrate('verify_repair', `🔧 Download ${result.model_ref} again to repair it`, 'warn');
    }
    return { models: verified };
  });
}
