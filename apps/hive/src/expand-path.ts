import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '@rbee/contract';
import type { Environment } from '@rbee/daemon';

const HOME_FIELD = 5;

/**
 * A path as huggingface_hub reads it from the environment: `~` and `~user` first, then `$NAME` and `${NAME}`. Systemd, Docker
 * and env files pass both on as they are. What is not known stays as it is.
 */
export function expandPath(path: string, env: Environment): string {
  return expandUser(path, env).replaceAll(/\$(?:(\w+)|\{([^}]*)\})/g, (text, plain?: string, braced?: string) => {
    return env[plain ?? braced ?? ''] ?? text;
  });
}

function expandUser(path: string, env: Environment): string {
  const [, user, rest = ''] = /^~([^/]*)(.*)$/s.exec(path) ?? [];
  if (user === undefined) return path;
  const home = user === '' ? env['HOME'] || homedir() : homeOf(user);
  return home === null ? path : join(home, rest);
}

function homeOf(user: string): string | null {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.startsWith(`${user}:`));
    return line?.split(':')[HOME_FIELD] || null;
  } catch (error) {
    // Only Unix has it.
    if (errnoOf(error) === null) throw error;
    return null;
  }
}
