// Fetches a repo with `snapshotDownload` of `@huggingface/hub`, which checks no digest. It is asked over IPC, once it is
// ready, with `{ repo, hubUrl, cacheDir }`, and answers with `{ ms }`: a daemon's start does not count either.
import { snapshotDownload } from '@huggingface/hub';

// It has a line for each file to say.
console.debug = () => {};
process.on('message', async (request) => {
  const startedMs = performance.now();
  await snapshotDownload(/** @type {Parameters<typeof snapshotDownload>[0]} */ (request));
  process.send?.({ ms: performance.now() - startedMs });
});
process.on('disconnect', () => process.exit());
process.send?.('ready');
