/** Exit codes that scripts rely on. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  timedOut: 4,
  conflict: 5,
  brokenInvariant: 70,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What a command is given: never the process itself, so that tests can run it. */
export type CommandContext = {
  readonly args: readonly string[]; // what follows the command's name
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: { write(text: string): unknown; readonly isTTY?: boolean };
  readonly stderr: { write(text: string): unknown };
};

export type Command = {
  readonly summary: string;
  readonly run: (context: CommandContext) => Promise<ExitCode>;
};

/** A failure that the user can mend: what went wrong, why, and what to do. Ends the command with `exit`. */
export class UserError extends Error {
  readonly code: string; // MR and four digits; docs/reference/errors.md lists them
  readonly why: string | undefined;
  readonly fix: string | undefined;
  readonly exit: ExitCode;

  constructor(
    code: string,
    what: string,
    more: { readonly why?: string; readonly fix?: string; readonly exit?: ExitCode } = {},
  ) {
    super(what);
    this.name = 'UserError';
    this.code = code;
    this.why = more.why;
    this.fix = more.fix;
    this.exit = more.exit ?? EXIT.failed;
  }
}

/** The form of every error on stderr. */
export function renderError({ code, message, why, fix }: UserError): string {
  const lines = [`error[${code}]: ${message}`];
  if (why !== undefined) lines.push(`why: ${why}`);
  if (fix !== undefined) lines.push(`fix: ${fix}`);
  return `${lines.join('\n')}\n`;
}
