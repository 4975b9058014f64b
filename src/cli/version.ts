import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { EXIT, type Command } from './command.ts';

/** The version in package.json, which lies two folders above both src/cli and dist/cli. */
export function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const parsed: unknown = JSON.parse(text);
  return String(Reflect.get(Object(parsed), 'version'));
}

export const version: Command = {
  summary: 'version, Node and platform',
  async run({ args, stdout }) {
    const { values } = parseArgs({ args: [...args], options: { output: { type: 'string', short: 'o' } } });
    const facts = {
      version: packageVersion(),
      node: process.version,
      platform: `${process.platform}/${process.arch}`,
    };
    const text = `millrace ${facts.version} (Node ${facts.node}, ${facts.platform})`;
    stdout.write(`${values.output === 'json' ? JSON.stringify(facts) : text}\n`);
    return EXIT.done;
  },
};
