import { Argument } from 'commander';
import { completionScript, SHELLS, type Shell } from '../completion/scripts.ts';
import { exitCodes } from '../errors/exit-codes.ts';
import { usageError } from '../errors/keeper-error.ts';
import { createCommand } from './create-command.ts';

const INSTALL = 'install';

export const completion = createCommand<[what: Shell | typeof INSTALL, shell: Shell | undefined]>({
  name: 'completion',
  description: 'print a shell completion script, or install it',
  examples: ['completion install', 'completion install zsh', 'completion bash'],
  weight: 'light',
  define(command) {
    command
      .addArgument(new Argument('<what>', 'shell whose script to print, or install').choices([...SHELLS, INSTALL]))
      .addArgument(new Argument('[shell]', 'shell to install it for (default: by $SHELL)').choices(SHELLS));
  },
  async run({ io, renderer }, what, shell) {
    if (what === INSTALL) {
      const { installCompletion, installedText, shellOf } = await import('../completion/install.ts');
      const installed = await installCompletion(shell ?? shellOf(io.env), io.env);
      renderer.result(installed, () => installedText(installed));
      return exitCodes.done;
    }
    if (shell !== undefined)
      throw usageError('too many arguments', 'to install it, run "rbee-keeper completion install"');
    const script = completionScript(what);
    renderer.result({ shell: what, script }, () => script);
    return exitCodes.done;
  },
});
