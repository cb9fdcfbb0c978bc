import { type HfRef, parseModelRef } from '@rbee/contract';
import { followRedirects } from '@rbee/http';
import { Agent, request } from 'undici';
import { discard, requestOnce } from '../../../src/sources/http/request.ts';
import { fixedToken, type HubToken } from '../../../src/sources/hugging-face/hub-token.ts';
import { createHuggingFace } from '../../../src/sources/hugging-face/hugging-face.ts';
import type { ResolvedModel, SourceFile } from '../../../src/sources/source.ts';

export interface TestSource {
  resolve(ref: string): Promise<ResolvedModel>;
  /** The bytes at a file's address, as a transfer would get them. */
  bytesOf(file: SourceFile): Promise<Buffer>;
  close(): Promise<void>;
}

/** A source of models of the hub at this endpoint. */
export function openSource(
  endpoint: string,
  token: HubToken = fixedToken(null),
  headersTimeoutMs = 10_000,
): TestSource {
  const dispatcher = new Agent();
  const http = { dispatcher, headersTimeoutMs, userAgent: 'test/1' };
  const source = createHuggingFace({ ...http, endpoint, token, isOffline: false, findOffline: async () => null });
  return {
    resolve: (ref) => source.resolve(parseModelRef(ref) as HfRef, AbortSignal.timeout(30_000)),
    async bytesOf(file) {
      const { url, headers = {} } = await file.locate(AbortSignal.timeout(10_000));
      const signal = AbortSignal.timeout(10_000);
      const { url: final } = await followRedirects(
        { url: new URL(url), headers },
        (hop, own) => requestOnce(http, { method: 'GET', url: hop, headers: own, signal }),
        { discard },
      );
      const response = await request(final, { dispatcher, headers: final.href === url ? headers : {} });
      return Buffer.from(await response.body.arrayBuffer());
    },
    close: () => dispatcher.destroy(),
  };
}
