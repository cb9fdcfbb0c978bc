import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type OllamaRef, parseModelRef } from '@rbee/contract';
import { generateBytes, ollamaManifest, startProgram, tempDir } from '@rbee/testing';
import { transferFile } from '@rbee/transfer';
import { Agent } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';
import { createOllama } from '../../src/sources/ollama/ollama.ts';
import { sha256Of } from './conformance.ts';

const BYTES = generateBytes({ size: 3_000_000, seed: 1 });
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

// Debian's package `docker-registry`. Under CI it has to be there.
const isMissing = process.env['CI'] === undefined && !isInstalled();

function isInstalled(): boolean {
  try {
    execFileSync('docker-registry', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function startRealRegistry() {
  const folder = await tempDir();
  closing.push(() => folder.remove());
  const config = join(folder.path, 'config.yml');
  const storage = `storage: { filesystem: { rootdirectory: ${join(folder.path, 'data')} } }`;
  await writeFile(config, `version: 0.1\nlog: { level: info }\n${storage}\nhttp: { addr: '127.0.0.1:0' }\n`);
  const program = await startProgram({ command: 'sh', args: ['-c', 'exec docker-registry serve "$0" 2>&1', config] });
  closing.push(() => program.kill());
  const listening = /listening on (127\.0\.0\.1:\d+)/;
  const line = await program.waitForLine(({ text }) => listening.test(text), 'the registry to listen');
  return { url: `http://${listening.exec(line.text)?.[1]}`, folder: folder.path };
}

/** Pushes as `ollama push` does. */
async function push(registry: string, name: string, tag: string, content: Buffer): Promise<string> {
  const manifest = ollamaManifest(sha256Of(content), content.length);
  for (const blob of [content, Buffer.from('{}')]) {
    const begun = await fetch(`${registry}/v2/${name}/blobs/uploads/`, { method: 'POST' });
    const upload = new URL(begun.headers.get('location') ?? '', registry);
    upload.searchParams.set('digest', `sha256:${sha256Of(blob)}`);
    const headers = { 'content-type': 'application/octet-stream' };
    const put = await fetch(upload, { method: 'PUT', body: new Uint8Array(blob), headers });
    if (put.status !== 201) throw new Error(`the blob was not taken: ${put.status} ${await put.text()}`);
  }
  const headers = { 'content-type': 'application/vnd.docker.distribution.manifest.v2+json' };
  const put = await fetch(`${registry}/v2/${name}/manifests/${tag}`, { method: 'PUT', body: manifest, headers });
  if (put.status !== 201) throw new Error(`the manifest was not taken: ${put.status} ${await put.text()}`);
  return sha256Of(Buffer.from(manifest));
}

describe.skipIf(isMissing)('a real registry', () => {
  it('serves what was pushed to it, by digest', async () => {
    const { url, folder } = await startRealRegistry();
    const digest = await push(url, 'me/tiny', '7b', BYTES);
    const dispatcher = new Agent();
    closing.push(() => dispatcher.destroy());
    const client = { dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1' };
    const source = createOllama({ ...client, registry: url });
    const signal = AbortSignal.timeout(15_000);
    const model = await source.resolve(parseModelRef('ollama:me/tiny:7b') as OllamaRef, signal);
    expect(model.commit).toBe(digest.slice(0, 40));
    const [file] = model.files;
    expect(file).toMatchObject({ size: BYTES.length, sha256: sha256Of(BYTES), path: 'tiny-7b.gguf' });
    const finalPath = join(folder, 'blob');
    const { size, sha256, gitSha1, locate, path: name } = file;
    await transferFile(
      { locate, partialPath: `${finalPath}.rbee-partial`, finalPath, size, sha256, gitSha1, name },
      {
        signal,
        dispatcher,
        headersTimeoutMs: 5_000,
        stallTimeoutMs: 5_000,
        retry: { attempts: 2, baseDelayMs: 1, maxDelayMs: 1 },
        maxConnections: 4,
        onState: () => {},
        onNotice: () => {},
      },
    );
    expect((await readFile(finalPath)).equals(BYTES)).toBe(true);
  });

  it('reports what it does not have', async () => {
    const { url } = await startRealRegistry();
    await push(url, 'me/tiny', '7b', BYTES);
    const dispatcher = new Agent();
    closing.push(() => dispatcher.destroy());
    const source = createOllama({ dispatcher, headersTimeoutMs: 5_000, userAgent: 'test/1', registry: url });
    for (const ref of ['ollama:me/tiny:8b', 'ollama:me/other']) {
      const asked = source.resolve(parseModelRef(ref) as OllamaRef, AbortSignal.timeout(10_000));
      await expect(asked).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    }
  });
});
