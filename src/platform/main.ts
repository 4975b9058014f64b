import { run, type CommandTable } from '../cli/run.ts';

const commands: CommandTable = {
  version: {
    summary: 'version, Node and platform',
    load: async () => (await import('../cli/version.ts')).version,
  },
};

process.exitCode = await run(commands, {
  args: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
});
