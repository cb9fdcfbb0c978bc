// The hub runs in its own process, so that its work does not hold up the bench, which is a client too. Each of its two origins
// is behind a line. Argument: a `FarHubSetup` as JSON.
import { type RepoFile, startHub } from '@rbee/testing';
import { type LineService, startLine } from '../line/line-service.ts';
import type { FarHubHello, FarHubSetup } from './far-hub.ts';
import { repo } from './model.ts';

const { files, line }: FarHubSetup = JSON.parse(process.argv[2] ?? '');

async function farUrl(url: string): Promise<string> {
  const { port }: LineService = await startLine(Number(new URL(url).port), line);
  return `http://127.0.0.1:${port}`;
}

// As on the real hub, a small file comes after a redirect too.
const hub = await startHub({ cdnFront: farUrl });
const added = hub.addRepo({ id: repo, files });
process.on('disconnect', () => process.exit());
process.send?.({
  url: await farUrl(hub.url),
  commit: added.commit,
  files: added.files.map(({ path, sha256 }: RepoFile) => ({ path, sha256 })),
} satisfies FarHubHello);
