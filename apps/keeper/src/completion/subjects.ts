import { ID_PATTERNS, parseModelRef, printable } from '@rbee/contract';
import type { ListClient } from '../daemon-client/list-client.ts';
import type { Io } from '../io.ts';
import { type GlobalOptions, queenSettings } from '../settings.ts';

/** A slower queen would hold up the prompt. */
const REQUEST_TIMEOUT_MS = 1_500;
const MAX_DOWNLOADS = 200;

/** Kinds of names that only the queen knows. */
export type Subject = 'download' | 'job' | 'hive' | 'model';

export interface Candidate {
  readonly value: string;
  /** A description, for shells that show one. */
  readonly note: string;
}

export type CompletionIo = Pick<Io, 'env' | 'interrupt'>;

/** Names of a kind from the queen, ids or model names depending on what is written; none if it does not respond. */
export async function candidatesOf(
  subject: Subject | null,
  options: GlobalOptions,
  io: CompletionIo,
  written: string,
): Promise<readonly Candidate[]> {
  if (subject === null) return [];
  try {
    const { createListClient } = await import('../daemon-client/list-client.ts');
    const signal = AbortSignal.any([io.interrupt, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
    const [settings, { chooseQueen }] = await Promise.all([
      queenSettings(options, io.env),
      import('../daemon-client/queen-probe.ts'),
    ]);
    return await listed(subject, createListClient(await chooseQueen(settings)), signal, written);
  } catch {
    // A prompt is no place for an error.
    return [];
  }
}

async function listed(
  subject: Subject,
  client: ListClient,
  signal: AbortSignal,
  written: string,
): Promise<readonly Candidate[]> {
  switch (subject) {
    case 'hive':
      return (await client.hives(signal)).flatMap(({ hive_id: value, online }) =>
        candidate(value, online ? 'online' : 'offline', ID_PATTERNS.hive),
      );
    case 'job':
      return (await client.jobs(signal)).flatMap((job) =>
        candidate(job.job_id, `${job.state} ${job.model ?? job.operation}`, ID_PATTERNS.job),
      );
    case 'download': {
      const { downloads } = await client.downloads({ limit: MAX_DOWNLOADS }, signal);
      return downloads.flatMap((each) =>
        candidate(each.download_id, `${each.status} ${each.model_ref}`, ID_PATTERNS.download),
      );
    }
    case 'model': {
      const { models } = await client.models(signal);
      const isRef = written.includes(':') || written.includes('/');
      const named = models.flatMap(({ model_id: id, model_ref: ref }) =>
        isRef ? candidate(ref, id, MODEL_REF) : candidate(id, ref, ID_PATTERNS.model),
      );
      return [...new Map(named.map((each) => [each.value, each])).values()];
    }
  }
}

/** What a ref that the contract understands looks like. */
const MODEL_REF = {
  test(ref: string): boolean {
    try {
      parseModelRef(ref);
      return true;
    } catch {
      return false;
    }
  },
};

/** A candidate, or none if the value is not what it should be: a shell would insert it into a command line. */
function candidate(value: string, note: string, pattern: { test(value: string): boolean }): Candidate[] {
  return pattern.test(value) ? [{ value, note: printable(note) }] : [];
}
