// Fetches a repo with `@huggingface/hub`, which checks no digest: by `snapshotDownload`, which takes one file after the other, or by the
// same library's download of a file, several at once. It is asked over IPC, once it is ready, with `{ repo, hubUrl, cacheDir, atOnce }`, and
// answers with `{ ms }`: a daemon's start does not count either.
import { downloadFileToCacheDir, listFiles, snapshotDownload } from '@huggingface/hub';

// It has a line for each file to say.
console.debug = () => {};
process.on('message', async (request) => {
  const startedMs = performance.now();
  const { atOnce, ...where } = /** @type {Parameters<typeof snapshotDownload>[0] & { atOnce: number | null }} */ (
    request
  );
  await (atOnce === null ? snapshotDownload(where) : downloadSeveral(where, atOnce));
  process.send?.({ ms: performance.now() - startedMs });
});
process.on('disconnect', () => process.exit());
process.send?.('ready');

/** @param {Parameters<typeof snapshotDownload>[0]} where @param {number} atOnce */
async function downloadSeveral(where, atOnce) {
  const files = listFiles({ ...where, recursive: true });
  const work = async () => {
    for (let next = await files.next(); !next.done; next = await files.next()) {
      if (next.value.type === 'file') await downloadFileToCacheDir({ ...where, path: next.value.path });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}
