/** One line of the platform's own log: a sentence, plus fields for machines. */
export type LogLine = {
  readonly level: 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields?: Readonly<Record<string, unknown>>;
};
export type Log = (line: LogLine) => void;

/** Writes lines to stderr, as text or as JSON. No field may carry a secret: that is for whoever writes the line. */
export function openLog(format: 'text' | 'json', write: (text: string) => unknown, nowMs: () => number): Log {
  return ({ level, message, fields = {} }) => {
    const time = new Date(nowMs()).toISOString();
    if (format === 'json') return void write(`${JSON.stringify({ time, level, message, ...fields })}\n`);
    const shown = Object.entries(fields).map(
      ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
    write(`${time} ${level.padEnd(5)} ${printable(message)}${printable(shown.join(''))}\n`);
  };
}

/** Without what a terminal would act on, and on one line: messages quote what senders chose. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
