import type { Command } from 'commander';
import type { Display } from '../render/renderer.ts';
import type { Session } from '../session.ts';

/** What a command has to load: a `light` one only lists, and needs neither schemas nor streams. */
type Weight = 'light' | 'full';

/** Runs the action of a command with the session it needs. */
export type Run = (
  command: Command,
  display: Display,
  action: (session: Session) => Promise<number>,
  weight?: Weight,
) => Promise<void>;

/**
 * One command: how it is written, and what it does. `Given` is what commander passes to an action: the arguments in
 * order, then the options.
 */
export interface CommandDefinition<Given extends readonly unknown[]> {
  readonly name: string;
  readonly aliases?: readonly string[];
  readonly description: string;
  /** Command lines without `rbee-keeper`, shown below the help. */
  readonly examples: readonly string[];
  /** Adds arguments and options. */
  define?(command: Command): void;
  /** How its output is shown; `result` by default. */
  display?(...given: Given): Display;
  /** `full` by default. */
  readonly weight?: Weight;
  /**
   * Runs the command, shows the result and returns the exit code. What it needs is imported when it runs, so that help
   * and usage errors do not wait for it.
   */
  run(session: Session, ...given: Given): Promise<number>;
}

/** Another way to write a command. */
interface Shortcut {
  readonly name: string;
  readonly aliases?: readonly string[];
}

export interface KeeperCommand {
  /** Adds the command, or a shortcut to it, below a parent. */
  addTo(parent: Command, run: Run, shortcut?: Shortcut): void;
}

/** Commands that share their first word. */
export interface CommandGroup {
  readonly name: string;
  readonly description: string;
  readonly commands: readonly KeeperCommand[];
}

export function createCommand<Given extends readonly unknown[]>(definition: CommandDefinition<Given>): KeeperCommand {
  return {
    addTo(parent, run, { name, aliases = [] } = definition) {
      const command = parent
        .command(name)
        .aliases([...aliases])
        .description(definition.description);
      definition.define?.(command);
      command.addHelpText('after', examples(...definition.examples)).action((...given: [...Given, Command]) => {
        const words = given.slice(0, -1) as unknown as Given;
        const display = definition.display?.(...words) ?? 'result';
        return run(command, display, (session) => definition.run(session, ...words), definition.weight);
      });
    },
  };
}

/** The examples below a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  $ rbee-keeper ${line}`).join('\n')}`;
}
