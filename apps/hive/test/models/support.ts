import { join } from 'node:path';
import { readSettings } from '@rbee/daemon';
import { type HubOptions, startHub, type TempDir, type TestHub, tempDir } from '@rbee/testing';
import { startHive } from '../../src/app.ts';
import { HIVE_PREFIX, hiveSettings } from '../../src/settings.ts';

/** A hive of the test's own, in this process, with a hub to fetch from. */
export interface TestHive {
  readonly hub: TestHub;
  readonly url: string;
  readonly folder: TempDir;
  readonly modelsDir: string;
  /** Runs an operation to its end. */
  run(operation: Readonly<Record<string, unknown>>): Promise<Ran>;
  api(method: string, path: string, body?: unknown): Promise<{ status: number; body: Record<string, unknown> }>;
  close(): Promise<void>;
}

export interface Ran {
  /** The result; empty where there was none. */
  readonly payload: Record<string, unknown>;
  readonly said: readonly { readonly action: string; readonly human: string; readonly level: string }[];
  /** The last event: `[DONE]`, `[ERROR] …` or `[CANCELLED]`. */
  readonly end: string;
  readonly jobId: string;
}

export async function startTestHive(
  env: Readonly<Record<string, string>> = {},
  hubOptions: HubOptions = {},
): Promise<TestHive> {
  const hub = await startHub(hubOptions);
  const folder = await tempDir();
  const modelsDir = join(folder.path, 'hub');
  const invocation = readSettings(hiveSettings, {
    argv: [],
    prefix: HIVE_PREFIX,
    env: {
      HOME: folder.path,
      HF_ENDPOINT: hub.url,
      RBEE_HIVE_ID: 'hive-a',
      RBEE_HIVE_PORT: '0',
      RBEE_HIVE_MODELS_DIR: modelsDir,
      RBEE_HIVE_STATE_DIR: join(folder.path, 'state'),
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
      RBEE_HIVE_RETRY_BASE_DELAY: '1ms',
      RBEE_LOG_LEVEL: 'silent',
      ...env,
    },
  });
  if (invocation.kind !== 'run') throw new Error('the settings ask for something else than a run');
  const hive = await startHive(invocation.settings);
  const api: TestHive['api'] = async (method, path, body) => {
    const answer = await fetch(`${hive.url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };
  return {
    hub,
    url: hive.url,
    folder,
    modelsDir,
    api,
    async run(operation) {
      const { status, body } = await api('POST', '/v1/jobs', operation);
      if (status !== 202) throw new Error(`not accepted: ${status} ${JSON.stringify(body)}`);
      return follow(`${hive.url}${String(body['sse_url'])}`, String(body['job_id']));
    },
    async close() {
      await hive.close();
      await hub.close();
      await folder.remove();
    },
  };
}

/** Reads a job's stream to its end. */
export async function follow(url: string, jobId: string): Promise<Ran> {
  const text = await (await fetch(url)).text();
  const events = text.split('\n\n').flatMap((block) => {
    const data = /^data: ?(.*)$/m.exec(block)?.[1];
    return data === undefined ? [] : [{ name: /^event: ?(.*)$/m.exec(block)?.[1] ?? 'message', data }];
  });
  const parsed = (name: string) => events.filter((event) => event.name === name).map(({ data }) => JSON.parse(data));
  const [result] = parsed('data') as { payload: Record<string, unknown> }[];
  const end = events.findLast(({ name }) => name === 'message')?.data ?? '';
  return { payload: result?.payload ?? {}, said: parsed('narration') as Ran['said'], end, jobId };
}
