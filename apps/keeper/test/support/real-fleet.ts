import { join } from 'node:path';
import type { TempDir, TestHub } from '@rbee/testing';

/** The environment in which the built daemons fetch from a hub of the test's own into a folder of the test's own. */
export function realFleetEnv(hub: TestHub, folder: TempDir): Readonly<Record<string, string>> {
  return {
    HOME: folder.path,
    TMPDIR: join(folder.path, 'tmp'),
    HF_ENDPOINT: hub.url,
    RBEE_HIVE_MODELS_DIR: join(folder.path, 'models'),
    RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
  };
}
