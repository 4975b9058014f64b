import { messageOf } from '../base/errors.ts';
import { EXIT, renderError, UserError, type Command, type CommandContext, type ExitCode } from './command.ts';

/** Commands by name, each loaded only when it is called: `--help` must not pay for all of them. */
export type CommandTable = Readonly<
  Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>
>;

/** Runs one command line and returns its exit code; prints what the user can mend, throws what is a bug. */
export async function run(table: CommandTable, context: CommandContext): Promise<ExitCode> {
  const [name, ...args] = context.args;
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    context.stdout.write(usage(table));
    return EXIT.done;
  }
  const entry = name === '--version' ? table['version'] : table[name];
  try {
    if (entry === undefined) throw unknownCommand(table, name);
    const command = await entry.load();
    return await command.run({ ...context, args });
  } catch (error) {
    const shown = asUserError(error, name);
    if (shown === undefined) throw error;
    context.stderr.write(renderError(shown));
    return shown.exit;
  }
}

function usage(table: CommandTable): string {
  const width = Math.max(...Object.keys(table).map((name) => name.length));
  const rows = Object.entries(table).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: millrace COMMAND [options]\n\n${rows.join('\n')}\n\nmillrace COMMAND --help tells the options of one.\n`;
}

function unknownCommand(table: CommandTable, name: string): UserError {
  const near = Object.keys(table).find((each) => each.startsWith(name.slice(0, 2)));
  return new UserError('MR0002', `there is no command "${name}"`, {
    fix:
      near === undefined ? 'millrace --help lists them' : `did you mean "${near}"? millrace --help lists all`,
    exit: EXIT.usage,
  });
}

/** Node's argument parser throws TypeErrors with a code of its own; those are the user's to mend. */
function asUserError(error: unknown, command: string): UserError | undefined {
  if (error instanceof UserError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (!code.startsWith('ERR_PARSE_ARGS')) return undefined;
  return new UserError('MR0003', messageOf(error), { fix: `millrace ${command} --help`, exit: EXIT.usage });
}
