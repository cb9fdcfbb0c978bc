import { Argument, type Command } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/scripts.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import { examples } from './option-values.ts';
import type { Run } from './run-action.ts';

export function addCompletion(command: Command, run: Run): void {
  command
    .description('print the script that completes commands, options, ids and hives in a shell')
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .addHelpText(
      'after',
      examples(
        'completion bash > ~/.local/share/bash-completion/completions/rbee-keeper',
        'completion zsh > ~/.zfunc/_rbee-keeper',
        'completion fish > ~/.config/fish/completions/rbee-keeper.fish',
      ),
    )
    .action((shell: Shell) =>
      run(
        command,
        'ask',
        async ({ renderer }) => {
          const script = completionScript(shell);
          renderer.answer({ shell, script }, () => script);
          return exitCodes.done;
        },
        'light',
      ),
    );
}
