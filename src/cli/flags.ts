import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { EXIT, UserError, type CommandContext } from './command.ts';

/** Flags that every command that acts on a platform has. */
export const CLIENT_FLAGS = {
  'data-dir': { type: 'string' },
  output: { type: 'string', short: 'o' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsOptionsConfig;

export type Parsed<Options extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ args: string[]; options: Options; allowPositionals: true }>
>;

/**
 * Parses by Node's parser; prints the help and returns undefined when that is what was asked for. More than
 * `positionalsMax` arguments that are no flags are the user's mistake.
 */
export function parse<Options extends ParseArgsOptionsConfig>(
  context: CommandContext,
  options: Options,
  help: string,
  positionalsMax = Number.POSITIVE_INFINITY,
): Parsed<Options> | undefined {
  const parsed = parseArgs({
    args: [...context.args],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    allowPositionals: true,
  });
  if (Reflect.get(parsed.values, 'help') === true) {
    context.stdout.write(`${help.trim()}\n`);
    return undefined;
  }
  const tooMany = parsed.positionals[positionalsMax];
  if (tooMany !== undefined)
    throw new UserError('MR0009', `nothing is known of the argument "${tooMany}"`, {
      fix: 'leave it out, or see --help',
      exit: EXIT.usage,
    });
  return parsed as Parsed<Options>;
}

/** Flags win over the environment, the environment over the default (contract: Command line). */
export function setting(context: CommandContext, flag: string, given: unknown): string | undefined {
  if (typeof given === 'string') return given;
  const value = context.env[`MILLRACE_${flag.toUpperCase().replaceAll('-', '_')}`];
  return value === '' ? undefined : value;
}

export function dataDirOf(context: CommandContext, given: unknown): string {
  return resolve(setting(context, 'data-dir', given) ?? join(context.env['HOME'] ?? homedir(), '.millrace'));
}

export function isJson(values: object): boolean {
  const output: unknown = Reflect.get(values, 'output');
  if (output === undefined) return false;
  if (output === 'json') return true;
  throw new UserError('MR0004', `-o takes json, not ${JSON.stringify(output)}`, {
    fix: '-o json',
    exit: EXIT.usage,
  });
}

/** `127.0.0.1:8080`, `:8080`, `[::1]:0`. */
export function addressOf(flag: string, written: string): { host: string; port: number } {
  const [, host = '', port = ''] = /^(\[[0-9a-f:]+\]|[^:]*):(\d{1,5})$/i.exec(written) ?? [];
  if (port === '' || Number(port) > 65_535) {
    throw new UserError('MR0005', `--${flag} ${written} is no address`, {
      fix: `--${flag} 127.0.0.1:8080 (port 0: any free one)`,
      exit: EXIT.usage,
    });
  }
  return { host: host === '' ? '127.0.0.1' : host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

export function numberOf(flag: string, written: string, least = 1): number {
  const value = Number(written);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UserError('MR0006', `--${flag} ${written} is no whole number from ${least} on`, {
      exit: EXIT.usage,
    });
  }
  return value;
}
