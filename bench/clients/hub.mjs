// Fetches one file with `@huggingface/hub` into its cache layout; it checks no digest, so the caller may ask for a pass
// after it. Argument: JSON of `{ hubUrl, cacheDir, repo, path, sha256 }`, sha256 null for no pass.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { downloadFileToCacheDir } from '@huggingface/hub';

/** Read at once by the pass. With the 64 KiB of Node's default it would be slower. */
const passChunkBytes = 1024 * 1024;

const { sha256, ...request } = JSON.parse(process.argv[2] ?? '');
const path = await downloadFileToCacheDir(request);
if (sha256 !== null) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: passChunkBytes }), hash);
  if (hash.digest('hex') !== sha256) throw new Error('the digest does not match');
}
