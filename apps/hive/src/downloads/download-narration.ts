import { type Download, formatBytes, formatSpeed, type ModelRef, shortNameOf } from '@rbee/contract';
import type { ResolvedModel } from '../sources/source.ts';

/** The heartbeat narration of a download. */
export function heartbeatLine({ bytes, total, percent, speed_bps, status }: Download, ref: ModelRef): string {
  const name = shortNameOf(ref);
  if (status === 'queued') return `⏳ Still waiting for a slot: ${name}`;
  if (status === 'starting') return `⏳ Still looking up ${name}`;
  if (status === 'verifying') return `⏳ Still verifying ${name} (${formatBytes(bytes)})`;
  const size = total === null ? formatBytes(bytes) : `${formatBytes(bytes)} / ${formatBytes(total)}`;
  const share = percent === null ? '' : `, ${percent.toFixed(1)}%`;
  return `⏳ Still downloading ${name} (${size}${share}, ${formatSpeed(speed_bps)})`;
}

/** The files of a model, its name, its commit and its size, in one phrase. */
export function describeModel(model: ResolvedModel, total: number | null): string {
  const [first, ...more] = model.files;
  const what = more.length === 0 ? `${first.path} of ${model.title}` : `${model.files.length} files of ${model.title}`;
  return `${what} at ${model.commit.slice(0, 12)}${total === null ? '' : ` (${formatBytes(total)})`}`;
}
