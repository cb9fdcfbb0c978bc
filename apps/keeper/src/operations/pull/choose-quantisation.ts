import { type FleetRepo, parseModelRef, RbeeError } from '@rbee/contract';
import { choicesText } from '../../render/repo-text.ts';
import { printable } from '../../render/text.ts';
import type { TextOptions } from '../../render/text-options.ts';
import type { CommandDeps } from '../command-deps.ts';
import { type Asking, asking, asks, readAnswer } from '../confirm.ts';

export interface Chooser extends Asking {
  readonly text: TextOptions;
}

/** Answers to one question before it is given up. */
const MAX_ANSWERS = 5;

/**
 * On a terminal, asks which quantisation of a repo is meant where the ref leaves it open and there are several; anywhere else, and with
 * `--yes`, the ref is left as it is. Null where the user chose none.
 * @throws the interrupt's reason
 */
export async function chooseQuantisation(
  chooser: Chooser,
  { client, signal }: Pick<CommandDeps, 'client' | 'signal'>,
  ref: string,
  hive: string | undefined,
): Promise<string | null> {
  // What is printed is read by a program where stdout is no terminal.
  if (!asks(chooser) || chooser.io.stdout.isTTY !== true || !isOpen(ref)) return ref;
  const repo = await client.repo(ref, hive, signal).catch((error: unknown) => {
    signal.throwIfAborted();
    // The download itself says what is wrong, and may know the model from its store.
    if (error instanceof Error) return null;
    throw error;
  });
  if (repo === null || repo.choices.length < 2) return ref;
  return asking(chooser.renderer, () => {
    chooser.io.stderr.write(choicesText(repo, chooser.text));
    return ask(chooser, repo);
  });
}

async function ask({ io, renderer }: Chooser, repo: FleetRepo): Promise<string | null> {
  const standard = repo.choices.find(({ chosen }) => chosen);
  const enter = standard === undefined ? '' : `, or Enter for ${printable(standard.name)}`;
  const prompt = `Which one? A number or a name${enter}: `;
  for (let count = 0; count < MAX_ANSWERS; count += 1) {
    const answer = await readAnswer(io, prompt);
    if (answer === null) return null;
    const chosen = answer.trim() === '' ? standard : named(repo, answer.trim());
    if (chosen !== undefined) return chosen.model_ref;
    io.stderr.write(`there is no "${printable(answer.trim())}" in the list\n`);
  }
  renderer.note('no answer was in the list');
  return null;
}

/** By its number in the table, its name, or the part of a name that only one has. */
function named({ choices }: FleetRepo, answer: string): FleetRepo['choices'][number] | undefined {
  if (/^\d+$/.test(answer)) return choices[Number(answer) - 1];
  const wanted = answer.toUpperCase();
  const exact = choices.find(({ name }) => name.toUpperCase() === wanted);
  const [first, ...others] = choices.filter(({ name }) => name.toUpperCase().includes(wanted));
  return exact ?? (others.length === 0 ? first : undefined);
}

/** Whether the ref names a repo, and neither files nor a quantisation. */
function isOpen(text: string): boolean {
  try {
    const ref = parseModelRef(text);
    return (
      ref.scheme === 'hf' && ref.quant === null && ref.files.length + ref.include.length + ref.exclude.length === 0
    );
  } catch (error) {
    if (error instanceof RbeeError) return false;
    throw error;
  }
}
