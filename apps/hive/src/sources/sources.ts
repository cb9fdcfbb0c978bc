import type { HiveSettings } from '../settings.ts';
import type { HttpClient } from './http/request.ts';
import { createHuggingFace, type HuggingFace, type HuggingFaceDeps } from './hugging-face/hugging-face.ts';
import { createLocalFiles } from './local/local-file.ts';
import { createOllama } from './ollama/ollama.ts';
import type { Sources } from './source.ts';
import { createWebSource } from './web/web.ts';

export interface SourcesDeps extends Pick<HuggingFaceDeps, 'findOffline' | 'token'> {
  readonly settings: HiveSettings;
  readonly http: HttpClient;
}

/** A hub can also be listed and searched. */
interface AllSources extends Sources {
  readonly hf: HuggingFace;
}

/** The source of every scheme: a new source gets its line here. */
export function createSources({ settings, http, token, findOffline }: SourcesDeps): AllSources {
  const { hfEndpoint: endpoint, hfHubOffline: isOffline, ollamaRegistry: registry } = settings;
  return {
    hf: createHuggingFace({ ...http, endpoint, token, isOffline, findOffline }),
    https: createWebSource(http),
    http: createWebSource(http),
    ollama: createOllama({ ...http, registry }),
    file: createLocalFiles(),
  };
}
