import { copyFileSync, existsSync, mkdirSync, truncateSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type TempDir, tempDir } from '@rbee/testing';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { journalPathOf, liveJournalPathOf, loadJournal, removeJournal } from '../../src/partial/journal.ts';
import { JournalKeeper } from '../../src/partial/journal-keeper.ts';
import { judgeJournal } from '../../src/partial/judge-journal.ts';
import { addSpan, bytesOf, gapsOf, removeSpan, type Span } from '../../src/partial/spans.ts';

/*
 * Goal: whatever comes when, a journal claims nothing that a crash at that instant would take away. Method: a disk of the
 * test's own knows which bytes are written and which of them are synced, for each version of the file; the journals are real
 * files. After every step both crashes are tried on a copy of them: a killed process, which leaves what is written, and a
 * power loss, which leaves what is synced and tears the files that nobody synced. The next run resumes from a copy.
 * Failure shows as a claim of bytes that are not there, or that are of another version.
 */
const MiB = 2 ** 20;
const size = 512 * MiB;
const wanted = { size, sha256: null, gitSha1: null };
const known = { url: 'https://cdn.example/model.bin', size, sha256: null, gitSha1: null };
const turnsPerStep = 6;
const testTimeoutMs = 60_000;

let folder: TempDir;
beforeEach(async () => {
  folder = await tempDir();
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await folder.remove();
});

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      at: fc.nat(60),
      length: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(100, 700, 2_500) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('synced' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('kill' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('power loss' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stop' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('new version' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The disk under one life of a process, and its keeper. */
class Life {
  readonly keeper: JournalKeeper;
  readonly path: string;
  readonly boot: string | null;
  version: number;
  written: readonly Span[];
  /** What a power loss leaves; nothing of a version that was overwritten. */
  durable: readonly Span[];
  readonly #syncs: { readonly spans: readonly Span[]; readonly done: () => void }[] = [];

  constructor(path: string, boot: string | null, version: number, found: readonly Span[], durable: readonly Span[]) {
    mkdirSync(dirname(path), { recursive: true });
    this.path = path;
    this.boot = boot;
    this.version = version;
    this.written = found;
    this.durable = durable;
    this.keeper = new JournalKeeper({
      partialPath: path,
      handle: { datasync: () => this.#datasync() },
      boot,
      hasJournal: found.length > 0,
      spans: () => this.written,
      facts: () => ({ ...known, validator: `"v${this.version}"` }),
      onSaved: () => {},
      onError: (error) => expect.unreachable(String(error)),
    });
  }

  #datasync(): Promise<void> {
    return new Promise((resolve) => this.#syncs.push({ spans: this.written, done: resolve }));
  }

  /** Nobody knows yet whether it succeeds. */
  get isSyncing(): boolean {
    return this.#syncs.length > 0;
  }

  /** The oldest sync under way ends: what was written when it began is safe now. */
  endSync(): boolean {
    const sync = this.#syncs.shift();
    for (const span of sync?.spans ?? []) this.durable = addSpan(this.durable, span);
    sync?.done();
    return sync !== undefined;
  }

  async finish(work: Promise<unknown>): Promise<void> {
    let isDone = false;
    const ended = work.finally(() => {
      isDone = true;
    });
    while (!isDone) {
      this.endSync();
      await turn();
    }
    await ended;
  }

  async restart(): Promise<void> {
    await this.finish(this.keeper.restart());
    const left = (await readdir(dirname(this.path))).filter((name) => name.includes('journal'));
    expect(left, 'claims beside bytes that are about to be overwritten').toEqual([]);
    this.version += 1;
    this.written = [];
    this.durable = [];
    this.keeper.renew();
  }

  /** What ends a transfer that is resumed later. */
  async stop(): Promise<void> {
    await this.keeper.stop();
    if (this.written.length === 0) return;
    await this.keeper.seal();
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const isWithin = (spans: readonly Span[], limits: readonly Span[]) => bytesOf(limits.reduce(removeSpan, spans)) === 0;

/** The journals as they are at this instant, in a folder of their own. */
function copyOf(path: string, to: string): string {
  mkdirSync(to, { recursive: true });
  const copy = join(to, basename(path));
  const temporary = path.replace(/partial$/, 'journal-new');
  for (const file of [journalPathOf(path), liveJournalPathOf(path), temporary]) {
    if (existsSync(file)) copyFileSync(file, join(to, basename(file)));
  }
  return copy;
}

/** What is not synced may be of any length after a power loss. */
async function tear(path: string, share: number): Promise<void> {
  for (const file of [liveJournalPathOf(path), path.replace(/partial$/, 'journal-new')]) {
    if (existsSync(file)) truncateSync(file, Math.floor((await stat(file)).size * share));
  }
}

async function claimsOf(path: string, boot: string | null, life: Life): Promise<readonly Span[]> {
  const origin = judgeJournal(await loadJournal(path, boot), wanted, size);
  if (origin.spans.length > 0) expect(origin.source?.validator).toBe(`"v${life.version}"`);
  return origin.spans;
}

test(
  'a journal never claims a byte that a kill or a power failure would lose, whatever is written, synced and lost when',
  async () => {
    let lives = 0;
    const nextFolder = () => {
      lives += 1;
      return join(folder.path, String(lives));
    };
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 });
    const plan = fc.record({ steps: fc.array(step, { maxLength: 25 }), shares, hasBoot: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(plan, async ({ steps, shares: tears, hasBoot }) => {
        let boots = 0;
        const bootOf = () => (hasBoot ? `boot-${boots}` : null);
        let life = new Life(join(nextFolder(), 'blob.rbee-partial'), bootOf(), 1, [], []);
        const check = async (index: number) => {
          const killed = copyOf(life.path, nextFolder());
          const { isSyncing } = life;
          const afterKill = await claimsOf(killed, life.boot, life);
          expect(isWithin(afterKill, life.written), 'claims after a kill').toBe(true);
          if (isSyncing) expect(isWithin(afterKill, life.durable), 'claims after a kill in a sync').toBe(true);
          const lost = copyOf(life.path, nextFolder());
          await tear(lost, tears[index % tears.length] ?? 0);
          const afterLoss = await claimsOf(lost, 'boot-other', life);
          expect(isWithin(afterLoss, life.durable), 'claims after a power loss').toBe(true);
          return { killed, afterKill, lost, afterLoss };
        };
        const die = async (index: number, isPowerLoss: boolean) => {
          const old = life;
          const { killed, afterKill, lost, afterLoss } = await check(index);
          if (isPowerLoss) boots += 1;
          life = isPowerLoss
            ? new Life(lost, bootOf(), old.version, afterLoss, afterLoss)
            : new Life(killed, bootOf(), old.version, afterKill, old.durable.reduce(intersectionWith(afterKill), []));
          // As where a partial is opened: a journal of which nothing counts is removed, before anything is written.
          if (life.written.length === 0) await removeJournal(life.path);
          await old.finish(Promise.all([old.keeper.abandon(), old.keeper.stop()]));
        };
        for (const [index, one] of steps.entries()) {
          await take(one, index);
          for (let i = 0; i < turnsPerStep; i += 1) await turn();
          await check(index);
        }
        await life.finish(Promise.all([life.keeper.abandon(), life.keeper.stop()]));

        async function take(one: Step, index: number): Promise<void> {
          if (one.kind === 'write') {
            const span: Span = [one.at * 8 * MiB, Math.min(size, (one.at + one.length) * 8 * MiB)];
            life.written = addSpan(life.written, span);
            life.keeper.advance();
          } else if (one.kind === 'wait') vi.advanceTimersByTime(one.ms);
          else if (one.kind === 'synced') life.endSync();
          else if (one.kind === 'new version') await life.restart();
          else if (one.kind === 'stop') {
            const { written } = life;
            await life.finish(life.stop());
            await die(index, false);
            expect(life.written, 'what a stop leaves').toEqual(written);
          } else await die(index, one.kind === 'power loss');
        }
      }),
      { numRuns: 120 },
    );
  },
  testTimeoutMs,
);

/** Adds to a list what of a span lies within some others. */
function intersectionWith(limits: readonly Span[]): (spans: readonly Span[], span: Span) => readonly Span[] {
  return (spans, span) => {
    const outside = gapsOf(limits, size);
    return outside.reduce(removeSpan, [span] as readonly Span[]).reduce(addSpan, spans);
  };
}
