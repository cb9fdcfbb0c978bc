import { exitCodes } from '../errors/exit-codes.ts';
import { usageError } from '../errors/keeper-error.ts';
import { createCommand } from './create-command.ts';
import { searchLimit } from './option-values.ts';

export const search = createCommand<[words: readonly string[], options: { readonly limit?: number }]>({
  name: 'search',
  description: 'search the hub for models, the most downloaded first',
  examples: ['search qwen3 gguf', 'search llama --limit 50', 'search qwen3 --json'],
  define(command) {
    command
      .argument('<words...>', 'words in the names of models')
      .option('--limit <number>', 'at most this many models (default: 20, at most 100)', searchLimit);
  },
  async run(session, given, { limit = 20 }) {
    const { searchText } = await import('../render/repo-text.ts');
    const words = given.join(' ').trim();
    if (words === '') throw usageError('the search has no words', 'name part of a model, as in search qwen3');
    const { models } = await session.withQueen(({ client, signal }) => client.search(words, limit, signal));
    session.renderer.result({ words, models }, () => searchText({ words, models }, session.text));
    return exitCodes.done;
  },
});
