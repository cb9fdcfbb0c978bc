import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { usageError } from '../errors/keeper-error.ts';
import { completionScript, SHELLS, type Shell } from './scripts.ts';

export interface Installed {
  readonly shell: Shell;
  readonly paths: readonly string[];
  /** False if the files had this content already. */
  readonly changed: boolean;
  /** What the user does next. */
  readonly next: string;
}

/** The shell of the user, by `$SHELL`. @throws KeeperError USAGE for another one */
export function shellOf({ SHELL = '' }: NodeJS.ProcessEnv): Shell {
  const name = SHELL.slice(SHELL.lastIndexOf('/') + 1);
  const shell = SHELLS.find((each) => each === name);
  if (shell !== undefined) return shell;
  throw usageError(
    SHELL === '' ? 'SHELL is not set' : `there is no completion for ${name}`,
    `name the shell: rbee-keeper completion install ${SHELLS.join('|')}`,
  );
}

/** Writes the script where the shell looks for it. @throws KeeperError USAGE if the files cannot be written */
export async function installCompletion(shell: Shell, env: NodeJS.ProcessEnv): Promise<Installed> {
  const { HOME: home } = env;
  if (!home) throw usageError('HOME is not set', `print the script with "rbee-keeper completion ${shell}"`);
  const place = PLACES[shell](home, env);
  const script = completionScript(shell);
  let changed = false;
  for (const path of place.paths) {
    try {
      if ((await readFile(path, 'utf8').catch(() => null)) === script) continue;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, script);
      changed = true;
    } catch (error) {
      throw usageError(
        `cannot write ${path}: ${error instanceof Error ? error.message : String(error)}`,
        `print the script with "rbee-keeper completion ${shell}", and put it where your shell finds it`,
      );
    }
  }
  const startup = place.startup === null ? null : await readFile(place.startup, 'utf8').catch(() => '');
  return { shell, paths: place.paths, changed, next: place.next(startup ?? '') };
}

export function installedText({ paths, changed, next }: Installed): string {
  const verb = changed ? 'wrote' : 'up to date:';
  return `${paths.map((path) => `${verb} ${path}\n`).join('')}${next}\n`;
}

interface Place {
  /** One per name of the program: shells load a completion by the name of the command. */
  readonly paths: readonly string[];
  /** The file of the user that may have to name the folder. */
  readonly startup: string | null;
  next(startup: string): string;
}

const NEW_SHELL = 'open a new shell to use it';

const PLACES: Readonly<Record<Shell, (home: string, env: NodeJS.ProcessEnv) => Place>> = {
  bash(home, env) {
    const data =
      env.BASH_COMPLETION_USER_DIR || join(env.XDG_DATA_HOME || join(home, '.local/share'), 'bash-completion');
    const folder = join(data, 'completions');
    const paths = [join(folder, 'rbee-keeper'), join(folder, 'rbee')];
    const next = `${NEW_SHELL}; without the package bash-completion, add to ~/.bashrc: source '${paths[0]}'`;
    return { paths, startup: null, next: () => next };
  },
  zsh(home, env) {
    const folder = join(env.ZDOTDIR || home, '.zfunc');
    const startup = join(env.ZDOTDIR || home, '.zshrc');
    return {
      paths: [join(folder, '_rbee-keeper')],
      startup,
      next: (text) =>
        /^[^#\n]*\.zfunc/m.test(text)
          ? NEW_SHELL
          : `add to ${startup}, before any other compinit, and open a new shell:\n  fpath=('${folder}' $fpath)\n  autoload -U compinit; compinit`,
    };
  },
  fish(home, env) {
    const folder = join(env.XDG_CONFIG_HOME || join(home, '.config'), 'fish/completions');
    return {
      paths: [join(folder, 'rbee-keeper.fish'), join(folder, 'rbee.fish')],
      startup: null,
      next: () => NEW_SHELL,
    };
  },
};
