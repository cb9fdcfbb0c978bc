// Records a newcomer's walk through the real programs as animated SVGs, docs/session*.svg: a queen, two hives and a hub on
// this machine, and a keeper in a pseudo-terminal of each width whose screen is captured at intervals. After a build:
// node_modules/.bin/node --conditions=@rbee/source scripts/record-session.mjs
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeSampleGguf, openTerminal, startHub, startProgram, tempDir } from '@rbee/testing';
import { sessionSvg } from './session-svg.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const keeper = join(root, 'apps/keeper/bin/rbee-keeper.js');
/** The README shows the first; the others show what a narrow and a wide terminal do to it. */
const SCREENS = [
  { file: 'session.svg', cols: 110, rows: 22 },
  { file: 'session-60.svg', cols: 60, rows: 30 },
  { file: 'session-200.svg', cols: 200, rows: 22 },
];
/** The interval of captures, and the pause after each command. */
const FRAME_MS = 300;
const REST_MS = 2_500;
const HUB_BYTES_PER_SECOND = 12_000_000;
const REPO = 'demo/tiny-llama-GGUF';
const QUANTS = { Q3_K_M: 9_000_000, Q4_K_M: 18_000_000, Q8_0: 90_000_000 };

/** `keys`: what is typed when a text is on the screen. */
const COMMANDS = [
  { command: 'search tiny-llama' },
  { command: `model plan ${REPO}`, keys: [{ on: 'Enter', type: '\r' }] },
  { command: `pull ${REPO}:Q4_K_M ${REPO}:Q3_K_M --all-hives` },
  { command: `pull ${REPO}:Q8_0 --hive gpu-1`, keys: [{ on: /\b[2-9]\d(\.\d)?%/, type: '\u0003', afterMs: 0 }] },
  { command: `pull ${REPO}:Q8_0 --hive gpu-1` },
  { command: 'ls' },
  { command: `rm ${REPO}:Q3_K_M --all-hives`, keys: [{ on: '[y/N]', type: 'y\r' }] },
];

const folder = await tempDir();
const hub = await startHub();
try {
  const files = Object.entries(QUANTS).map(([quant, size], seed) => [
    `tiny-llama.${quant}.gguf`,
    makeSampleGguf({ size, seed: seed + 7 }),
  ]);
  hub.addRepo({ id: REPO, files: Object.fromEntries(files) });
  hub.throttle(HUB_BYTES_PER_SECOND);
  for (const screen of SCREENS) await recordWalk(screen);
} finally {
  await hub.close();
  await folder.remove();
}

/** The whole walk in a fleet of its own. */
async function recordWalk({ file, cols, rows }) {
  const programs = [];
  const home = join(folder.path, `${cols}`);
  try {
    const queenUrl = await start(programs, 'queen', ['--port', '0', '--state-dir', join(home, 'queen')]);
    for (const id of ['gpu-1', 'gpu-2']) {
      const places = ['--models-dir', join(home, id, 'models'), '--state-dir', join(home, id, 'state')];
      const args = ['--port', '0', '--id', id, '--queen-url', queenUrl, '--allow-private-sources', ...places];
      await mkdir(join(home, id, 'models'), { recursive: true });
      await start(programs, 'hive', args);
    }
    const frames = [];
    let shown = [];
    for (const step of COMMANDS) shown = await record(step, { queenUrl, home, cols, rows, above: shown, frames });
    const path = join(root, 'docs', file);
    await writeFile(path, sessionSvg(frames, { cols, rows }));
    process.stdout.write(`${path}\n`);
  } finally {
    for (const program of programs.reverse()) await program.stop();
  }
}

/** Starts a daemon and returns its URL. */
async function start(programs, name, flags) {
  const args = [join(root, `apps/${name}/bin/rbee-${name}.js`), ...flags];
  const program = await startProgram({ command: process.execPath, args, env: { HF_ENDPOINT: hub.url } });
  programs.push(program);
  const line = await program.waitForLine(({ json }) => json?.msg === 'listening', `the ${name} to listen`);
  return line.json.url;
}

/** Runs one command in a terminal below the lines above, adds a frame per capture, and returns the final lines. */
async function record({ command, keys = [] }, { queenUrl, home, cols, rows, above, frames }) {
  const prompt = `$ rbee-keeper ${command}`;
  frames.push({ lines: [...above, '$ '], ms: FRAME_MS }, { lines: [...above, prompt], ms: FRAME_MS * 2 });
  const env = { RBEE_QUEEN_URL: queenUrl, HOME: home, LANG: 'C.UTF-8' };
  const args = [keeper, ...command.split(' ')];
  const terminal = openTerminal({ command: process.execPath, args, cols, rows, env });
  const lines = () => [
    ...above,
    prompt,
    ...terminal
      .history()
      .split('\n')
      .map((line) => line.replaceAll(home, '/srv')),
  ];
  let isOver = false;
  const over = terminal.exited.then(() => {
    isOver = true;
  });
  const typed = typeKeys(terminal, keys);
  while (!isOver) {
    await Promise.race([over, delay(FRAME_MS)]);
    frames.push({ lines: lines(), ms: FRAME_MS });
  }
  await typed;
  frames.push({ lines: lines(), ms: REST_MS });
  return [...lines(), ''];
}

/** Types each of the keys when its text is on the screen, as a person who has read it. */
async function typeKeys(terminal, keys) {
  for (const { on, type, afterMs = REST_MS / 2 } of keys) {
    const isThere = () => (typeof on === 'string' ? terminal.screen().includes(on) : on.test(terminal.screen()));
    await terminal.waitFor(isThere, `${on}`);
    await delay(afterMs);
    terminal.write(type);
  }
}
