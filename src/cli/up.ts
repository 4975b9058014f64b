import { PlatformError } from '../base/errors.ts';
import { parseNetworks } from '../http/trusted-proxies.ts';
import { EXIT, UserError, type Command, type CommandContext, type ExitCode } from './command.ts';
import { addressOf, dataDirOf, numberOf, parse, setting } from './flags.ts';

/** Starts what the options say; `platform/` is it. */
export type Startable<Options> = (options: Options) => Promise<Started>;
export type Started = {
  readonly endpoints: {
    readonly api: string;
    readonly gateway: string;
    readonly gatewayTls?: string;
    readonly events: string;
    readonly dashboard: string;
  };
  readonly kubeconfig: string;
  readonly readyInMs: number;
  /** What a user should know although nothing failed: a name that does not resolve. */
  readonly notes: readonly string[];
  /** Resolves with the error when it cannot go on. */
  readonly failed: Promise<Error>;
  /** Drains, then stops; twice is as good as once. */
  close(drainMs?: number): Promise<void>;
};

type Address = { readonly host: string; readonly port: number };
/** Everything that `up` has a flag for. */
export type UpOptions = {
  readonly dataDir: string;
  readonly gateway: Address;
  /** Where the gateway speaks TLS; undefined: nowhere. */
  readonly gatewayTls?: Address | undefined;
  /** Networks whose word is taken on where a request comes from (X-Forwarded-*). */
  readonly trustedProxies?: readonly string[];
  readonly events: Address;
  readonly dashboard: Address;
  readonly api: Address;
  readonly domain: string;
  /** What is told to GitHub and written to `status.url`, when the platform is reached by another address. */
  readonly publicUrl: string | undefined;
  readonly logFormat: 'text' | 'json';
  readonly drainMs: number;
  readonly maxEventBytes: number;
  readonly maxBacklogBytes: number | undefined;
  readonly maxInflightBytes: number;
  readonly tailCacheBytes: number | undefined;
  readonly acceptLoss: boolean;
  /** What empty, warm runners may hold together; undefined: a sixteenth of the memory, 512 MiB at most. */
  readonly warmBytes: number | undefined;
  /** Instances of all revisions together; undefined: what three quarters of the memory hold, at 32 MiB each. */
  readonly maxInstances: number | undefined;
  /** The socket of a container engine, `unix:///…`, or `none`; undefined: one that is found. */
  readonly engine?: string | undefined;
  /** Where brokers are; written to the ConfigMaps that channels read. */
  readonly kafka: string | undefined;
  readonly rabbitmq: string | undefined;
  readonly pubsubProject: string | undefined;
};

const MIB = 1024 * 1024;
export const UP_FLAGS = {
  'data-dir': { type: 'string' },
  gateway: { type: 'string' },
  'gateway-tls': { type: 'string' },
  'trusted-proxies': { type: 'string' },
  events: { type: 'string' },
  dashboard: { type: 'string' },
  api: { type: 'string' },
  domain: { type: 'string' },
  'public-url': { type: 'string' },
  'log-format': { type: 'string' },
  'drain-timeout': { type: 'string' },
  'max-event-bytes': { type: 'string' },
  'max-backlog-bytes': { type: 'string' },
  'max-inflight-bytes': { type: 'string' },
  'tail-cache-bytes': { type: 'string' },
  'warm-bytes': { type: 'string' },
  'max-instances': { type: 'string' },
  engine: { type: 'string' },
  'accept-loss': { type: 'boolean' },
  kafka: { type: 'string' },
  rabbitmq: { type: 'string' },
  'pubsub-project': { type: 'string' },
} as const;

export const UP_HELP = `
  --data-dir DIR           where everything is kept (~/.millrace)
  --gateway HOST:PORT      public requests (127.0.0.1:8080); the one to expose
  --gateway-tls HOST:PORT  the same by TLS, with certificates from Secrets (not open unless given)
  --events HOST:PORT       channels and names inside the cluster (127.0.0.1:8081); never to be exposed
  --dashboard HOST:PORT    page, metrics, health (127.0.0.1:8082)
  --api HOST:PORT          the Kubernetes API (127.0.0.1:8443)
  --domain NAME            services answer at SERVICE.NAMESPACE.NAME (localhost)
  --trusted-proxies CIDR,… whose X-Forwarded-* headers are believed; of others they are replaced
  --public-url URL         how the gateway is reached from outside
  --log-format text|json   the platform's own log, on stderr (text)
  --drain-timeout SECONDS  how long stopping waits for what is in flight (30)
  --max-event-bytes N      the largest event (33554432)
  --max-backlog-bytes N    what may be owed to subscribers in all (10 GiB)
  --max-inflight-bytes N   bodies being received or committed together (268435456)
  --tail-cache-bytes N     fresh events in memory (67108864)
  --warm-bytes N           warm runners that wait for functions (1/16 of the memory, at most 536870912)
  --max-instances N        instances of all revisions together (3/4 of the memory, at 32 MiB each)
  --engine unix:///PATH    Docker or podman, for images that nobody has pushed (found by its socket; none: without)
  --accept-loss            open a database that holds less than was acknowledged
  --kafka HOST:PORT,…      where KafkaChannels keep their events
  --rabbitmq AMQP-URL      where RabbitmqChannels do; a password in it goes to a Secret
  --pubsub-project P       where PubSubChannels do; PUBSUB_EMULATOR_HOST and Google's usual credentials count`;

const HELP = `
Usage: millrace up [options]

Starts the platform in the foreground. Ctrl-C or SIGTERM drains and stops; a second one stops at once.
${UP_HELP}

Examples:
  millrace up
  millrace up --data-dir ./data --gateway 127.0.0.1:0
`;

export function upOptions(
  context: CommandContext,
  values: Readonly<Record<string, string | boolean | undefined>>,
): UpOptions {
  const read = (flag: string): string | undefined => setting(context, flag, values[flag]);
  const address = (flag: string, port: number): Address => addressOf(flag, read(flag) ?? `127.0.0.1:${port}`);
  const whole = (flag: string, least = 0): number | undefined => {
    const written = read(flag);
    return written === undefined ? undefined : numberOf(flag, written, least);
  };
  const optional = (flag: string): number | undefined => whole(flag, 1);
  const logFormat = read('log-format') ?? 'text';
  if (logFormat !== 'text' && logFormat !== 'json')
    throw new UserError('MR0007', `--log-format ${logFormat} is not known`, {
      fix: '--log-format text, or json',
      exit: EXIT.usage,
    });
  const tls = read('gateway-tls');
  const publicUrl = read('public-url');
  if (publicUrl !== undefined && !URL.canParse(publicUrl))
    throw new UserError('MR0008', `--public-url ${publicUrl} is no URL`, {
      fix: '--public-url https://hooks.example.com',
      exit: EXIT.usage,
    });
  return {
    dataDir: dataDirOf(context, values['data-dir']),
    gateway: address('gateway', 8080),
    gatewayTls: tls === undefined ? undefined : addressOf('gateway-tls', tls),
    trustedProxies: proxiesOf(read('trusted-proxies')),
    events: address('events', 8081),
    dashboard: address('dashboard', 8082),
    api: address('api', 8443),
    domain: read('domain') ?? 'localhost',
    publicUrl,
    logFormat,
    drainMs: numberOf('drain-timeout', read('drain-timeout') ?? '30', 0) * 1000,
    maxEventBytes: optional('max-event-bytes') ?? 32 * MIB,
    maxBacklogBytes: optional('max-backlog-bytes'),
    maxInflightBytes: optional('max-inflight-bytes') ?? 256 * MIB,
    tailCacheBytes: optional('tail-cache-bytes'),
    acceptLoss: values['accept-loss'] === true,
    warmBytes: whole('warm-bytes'),
    maxInstances: optional('max-instances'),
    engine: engineOf(read('engine')),
    ...brokersOf(read),
  };
}

function engineOf(written: string | undefined): string | undefined {
  if (written === undefined || written === 'none' || written.startsWith('unix:///')) return written;
  throw new UserError('MR0017', `--engine ${written} is no socket`, {
    fix: '--engine unix:///var/run/docker.sock, or --engine none',
    exit: EXIT.usage,
  });
}

function proxiesOf(written: string | undefined): readonly string[] {
  const parsed = parseNetworks(written ?? '');
  if ('networks' in parsed) return parsed.networks;
  throw new UserError('MR0016', `--trusted-proxies: ${parsed.fault} is no network`, {
    fix: '--trusted-proxies 10.0.0.0/8,192.0.2.7',
    exit: EXIT.usage,
  });
}

function brokersOf(
  read: (flag: string) => string | undefined,
): Pick<UpOptions, 'kafka' | 'rabbitmq' | 'pubsubProject'> {
  const [kafka, rabbitmq] = [read('kafka'), read('rabbitmq')];
  if (kafka !== undefined && !/^[^\s,/@]+:\d+(?:,[^\s,/@]+:\d+)*$/.test(kafka))
    throw new UserError('MR0014', `--kafka ${kafka} is no list of HOST:PORT`, {
      fix: '--kafka 127.0.0.1:9092; users and passwords go to the Secret that kafka-channel-config names',
      exit: EXIT.usage,
    });
  if (rabbitmq === undefined) return { kafka, rabbitmq, pubsubProject: read('pubsub-project') };
  process.title = 'millrace up'; // a password in the URL is not left in the process list
  if (!URL.canParse(rabbitmq) || !/^amqps?:$/.test(new URL(rabbitmq).protocol))
    throw new UserError('MR0015', '--rabbitmq is no amqp or amqps URL', {
      fix: '--rabbitmq amqp://USER:PASSWORD@127.0.0.1:5672',
      exit: EXIT.usage,
    });
  return { kafka, rabbitmq, pubsubProject: read('pubsub-project') };
}

/** `up`, with what it starts handed in. */
export function upCommand(start: Startable<UpOptions>): Command {
  return {
    summary: 'start the platform in the foreground',
    async run(context) {
      const parsed = parse(context, UP_FLAGS, HELP, 0);
      if (parsed === undefined) return EXIT.done;
      const platform = await started(start, upOptions(context, parsed.values));
      const ended = untilStopped(context, platform); // listens first: who reads "ready" may send a signal at once
      context.stdout.write(banner(platform));
      return ended;
    },
  };
}

/** Starts, or throws what the user can mend. */
export async function started(start: Startable<UpOptions>, options: UpOptions): Promise<Started> {
  try {
    return await start(options);
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    const [code, fix, exit] = MENDS[error.code] ?? ['MR0029', undefined, EXIT.failed];
    throw new UserError(code, error.message, { ...(fix !== undefined && { fix }), exit });
  }
}

const MENDS: Readonly<Record<string, readonly [string, string | undefined, ExitCode]>> = {
  DATA_DIR_TAKEN: [
    'MR0020',
    'millrace down stops it; or choose another folder with --data-dir',
    EXIT.conflict,
  ],
  PORT_TAKEN: [
    'MR0021',
    'stop the other program, or move this listener with its flag (port 0: any free one)',
    EXIT.failed,
  ],
  LISTEN_FAILED: ['MR0022', 'choose an address of this machine with the flag of that listener', EXIT.failed],
  FORMAT_NEWER: ['MR0023', 'use the version of Millrace that wrote it, or another --data-dir', EXIT.failed],
  LOG_LOSS: ['MR0024', 'restore a backup, or go on without the missing ones with --accept-loss', EXIT.failed],
};

function banner({ endpoints, kubeconfig, readyInMs, notes }: Started): string {
  const rows = Object.entries({
    gateway: endpoints.gateway,
    ...(endpoints.gatewayTls !== undefined && { 'by TLS': endpoints.gatewayTls }),
    events: endpoints.events,
    dashboard: endpoints.dashboard,
    API: endpoints.api,
  });
  const shown = rows.map(([name, url]) => `  ${name.padEnd(10)} ${url}`);
  const told = notes.map((note) => `note: ${note}`);
  return `${['Millrace is up', ...shown, `  export KUBECONFIG=${kubeconfig}`, ...told, `ready in ${readyInMs} ms`].join('\n')}\n`;
}

/** Waits for a signal or a failure; drains on the first signal, stops at once on the second. */
export async function untilStopped(context: CommandContext, platform: Started): Promise<ExitCode> {
  const stop = Promise.withResolvers<'signal'>();
  let signals = 0;
  const onSignal = (): void => {
    signals += 1;
    if (signals > 1) process.exit(EXIT.failed);
    stop.resolve('signal');
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  const ended = await Promise.race([stop.promise, platform.failed]);
  if (ended !== 'signal') {
    context.stderr.write(
      `error[MR0070]: ${ended.message}\nwhy: the platform cannot be sure any more of what it has kept, so it stops\nfix: look at the disk, then millrace up: it recovers what was acknowledged\n`,
    );
    return process.exit(EXIT.brokenInvariant);
  }
  context.stderr.write('draining; once more to stop at once\n');
  await platform.close();
  return EXIT.done;
}
