// The main job on this machine: a queen and a hive of their own, one real download with live progress, and the path of
// the verified file. Without a model ref it pulls a sample GGUF from a hub that it starts itself on loopback.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const keeper = join(root, 'apps/keeper/bin/rbee-keeper.js');
const refs = process.argv.slice(2);

process.exitCode = refs.length > 0 ? await pull(refs, {}) : await pullSample();

async function pullSample() {
  const models = join(root, '.rbee', 'models');
  // Fetched anew each time, so that there is something to see.
  rmSync(models, { recursive: true, force: true });
  const hub = spawn(process.execPath, [join(root, 'packages/testing/dist/hub-main.js')], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  try {
    const [line] = await once(createInterface(hub.stdout), 'line');
    const { url, model } = JSON.parse(line);
    process.stderr.write(`a hub of our own serves a sample model: ${model}\n`);
    return await pull([model], {
      HF_ENDPOINT: url,
      RBEE_HIVE_ALLOW_PRIVATE_SOURCES: 'true',
      RBEE_HIVE_MODELS_DIR: models,
      RBEE_HIVE_HEARTBEAT_INTERVAL: '1s',
    });
  } finally {
    hub.kill();
  }
}

async function pull(models, env) {
  const child = spawn(process.execPath, [keeper, 'model', 'download', ...models], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  // Ctrl+C reaches the keeper by itself: it cancels, and says what it kept.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => signal === 'SIGTERM' && child.kill(signal));
  const [code] = await once(child, 'exit');
  return code ?? 1;
}
