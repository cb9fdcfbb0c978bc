import type { HiveSettings } from '../settings.ts';
import type { HttpClient } from './http/request.ts';
import { createHuggingFace, type HuggingFaceDeps } from './hugging-face/hugging-face.ts';
import { createLocalFiles } from './local/local-file.ts';
import { createOllama } from './ollama/ollama.ts';
import type { Sources } from './source.ts';
import { createWebSource } from './web/web.ts';

export interface SourcesDeps extends Pick<HuggingFaceDeps, 'findOffline' | 'token'> {
  readonly settings: HiveSettings;
  readonly http: HttpClient;
}

/** The source of every scheme: a new source gets its line here. */
export function createSources({ settings, http, token, findOffline }: SourcesDeps): Sources {
  const { hfEndpoint: endpoint, hfHubOffline: isOffline, ollamaRegistry: registry } = settings;
  return {
    hf: createHuggingFace({ ...http, endpoint, token, isOffline, findOffline }),
    https: createWebSource(http),
    http: createWebSource(http),
    ollama: createOllama({ ...http, registry }),
    file: createLocalFiles(),
  };
}
