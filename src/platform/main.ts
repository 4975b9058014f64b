import { EXIT } from '../cli/command.ts';
import type { OpenForward } from '../cli/github.ts';
import { run, type CommandTable } from '../cli/run.ts';
import type { StartPlatform } from './options.ts';

/** The platform itself is loaded when a command starts one: `--help` must not pay for it. */
const startPlatform: StartPlatform = async (options) => (await import('./start.ts')).startPlatform(options);

const openForward: OpenForward = async (options, signal) =>
  (await import('../sources/github/forward.ts')).GitHubForward.open(options, signal);

const commands: CommandTable = {
  up: {
    summary: 'start the platform in the foreground',
    load: async () => (await import('../cli/up.ts')).upCommand(startPlatform),
  },
  demo: {
    summary: 'see a signed GitHub push wake a function',
    load: async () => (await import('../cli/demo.ts')).demoCommand(startPlatform),
  },
  status: {
    summary: 'what runs, where it answers, what it owes',
    load: async () => (await import('../cli/status.ts')).status,
  },
  down: {
    summary: 'drain the platform and stop it',
    load: async () => (await import('../cli/status.ts')).down,
  },
  push: {
    summary: 'store a function or program as an image',
    load: async () => (await import('../cli/images.ts')).push,
  },
  dev: {
    summary: 'run a source folder as a Service, anew at each save',
    load: async () => (await import('../cli/dev.ts')).devCommand(startPlatform),
  },
  images: {
    summary: 'what the local image store holds',
    load: async () => (await import('../cli/images.ts')).images,
  },
  send: {
    summary: 'send an event, or a signed GitHub delivery',
    load: async () => (await import('../cli/send.ts')).send,
  },
  github: {
    summary: 'bring GitHub events to a machine without a public address',
    load: async () => (await import('../cli/github.ts')).githubCommand(openForward),
  },
  tail: { summary: 'events as they happen', load: async () => (await import('../cli/tail.ts')).tail },
  trace: {
    summary: "one event's life, step by step",
    load: async () => (await import('../cli/trace.ts')).trace,
  },
  'dead-letters': {
    summary: 'what could not be delivered, and why',
    load: async () => (await import('../cli/dead-letters.ts')).deadLetters,
  },
  usage: {
    summary: 'requests, instance, CPU and memory time by Service',
    load: async () => (await import('../cli/usage.ts')).usage,
  },
  backup: {
    summary: "a consistent copy of a platform's objects and events",
    load: async () => (await import('../cli/dead-letters.ts')).backup,
  },
  version: {
    summary: 'version, Node and platform',
    load: async () => (await import('../cli/version.ts')).version,
  },
};

// After a bug nobody knows in which state the process is: it ends, and the next start recovers from disk (R32).
for (const cause of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(cause, (error: unknown) => {
    process.stderr.write(`error[MR0071]: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(EXIT.brokenInvariant);
  });
}

process.exitCode = await run(commands, {
  args: process.argv.slice(2),
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
});
