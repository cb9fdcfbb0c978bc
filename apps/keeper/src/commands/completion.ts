import { Argument } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/scripts.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import { createCommand } from './create-command.ts';

export const completion = createCommand<[shell: Shell]>({
  name: 'completion',
  description: 'print a shell completion script',
  examples: [
    'completion bash > ~/.local/share/bash-completion/completions/rbee-keeper',
    'completion zsh > ~/.zfunc/_rbee-keeper',
    'completion fish > ~/.config/fish/completions/rbee-keeper.fish',
  ],
  weight: 'light',
  define(command) {
    command.addArgument(new Argument('<shell>', 'shell to complete in').choices(SHELLS));
  },
  async run({ renderer }, shell) {
    const script = completionScript(shell);
    renderer.result({ shell, script }, () => script);
    return exitCodes.done;
  },
});
