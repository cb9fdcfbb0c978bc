import { join } from 'node:path';
import type { TempDir, TestHub } from '@rbee/testing';

/** Environment for the built daemons: the test's hub, and its folder as home and store. */
export function realFleetEnv(hub: TestHub, folder: TempDir): Readonly<Record<string, string>> {
  return {
    HOME: folder.path,
    TMPDIR: join(folder.path, 'tmp'),
    HF_ENDPOINT: hub.url,
    RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
  };
}
