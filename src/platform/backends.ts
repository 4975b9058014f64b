import { isDeepStrictEqual } from 'node:util';
import type { BackingChannel } from '../apis/duck.ts';
import { groupOf } from '../apis/registry.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import type { BackendTools, ChannelSpec, Claim, Settings } from '../channels/backend.ts';
import { servedBy } from '../channels/control/claim.ts';
import { Connection } from '../channels/supervised/connection.ts';
import { SupervisedChannel } from '../channels/supervised/supervised-channel.ts';
import type { Informers } from '../control/informer.ts';
import { BACKED_KINDS, type BackedKind } from './adapters.ts';
import { configMapReader, secretDataReader, type ReadData } from './live-objects.ts';

const NAMESPACE = 'knative-eventing';
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const SECRET_NAME = 'auth.secret.ref.name';
const EXTERNAL_NAMES = ['messaging.millrace.dev/external-name', 'kafka.eventing.knative.dev/external.topic'];
const TEMPLATE = 'channels-topic-template';
const KAFKA_FEATURES = 'config-kafka-features';
/** What knative-gcp's Channel reads when it names no Secret of its own. */
const GOOGLE_SECRET = { name: 'google-cloud-key', key: 'key.json' };

type Open = {
  object: BackingChannel;
  readonly kind: BackedKind;
  readonly spec: Omit<ChannelSpec, 'claim' | 'groups'>;
  readonly connection: Connection;
  readonly channel: SupervisedChannel;
  claim: Claim;
};

/** The channels in brokers: one connection for all of a kind, opened by the first that needs it, with settings that are read live. */
export class Backends {
  readonly #tools: BackendTools;
  readonly #onChange: (object: BackingChannel) => void;
  readonly #shared = new Map<BackedKind, Connection>();
  readonly #open = new Map<string, Open>(); // by uid
  #configMap: ReadData = () => undefined;
  #secret: ReadData = () => undefined;

  constructor(tools: BackendTools, onChange: (object: BackingChannel) => void) {
    this.#tools = tools;
    this.#onChange = onChange;
  }

  /** Follows the ConfigMaps and Secrets from here on. */
  follow(informers: Informers): void {
    this.#configMap = configMapReader(informers);
    this.#secret = secretDataReader(informers);
    for (const kind of [CONFIG_MAP, SECRET]) informers.of(kind).onChange(() => this.#refresh());
  }

  static kindOf({ apiVersion, kind }: Resource): BackedKind | undefined {
    const group = groupOf(apiVersion);
    return BACKED_KINDS.find((each) => each.kind === kind && groupOf(each.apiVersion) === group);
  }

  /** The channel of an object, opened anew when what it is opened with has changed. */
  channelFor(object: BackingChannel, kind: BackedKind, claim: Claim): SupervisedChannel {
    const uid = object.metadata.uid ?? '';
    const known = this.#open.get(uid);
    const spec = specOf(object);
    if (known !== undefined && isDeepStrictEqual(known.spec, spec)) {
      Object.assign(known, { object, claim });
      return known.channel;
    }
    const connection = known?.connection ?? this.#connectionFor(object, kind);
    const channel = known?.channel ?? this.#supervise(uid, spec.key, connection);
    this.#open.set(uid, { object, kind, spec, connection, channel, claim });
    if (known === undefined) channel.start();
    else channel.reopen();
    return channel;
  }

  /** It is closed or removed, and is to be followed no more. */
  forget(uid: string): void {
    const open = this.#open.get(uid);
    this.#open.delete(uid);
    if (open !== undefined && ![...this.#shared.values()].includes(open.connection))
      void open.connection.close();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#open.values()].map(({ connection }) => connection.close()));
  }

  #supervise(uid: string, key: string, connection: Connection): SupervisedChannel {
    return new SupervisedChannel({
      key,
      clock: this.#tools.clock,
      random: this.#tools.random,
      open: async () => {
        const backend = await connection.backend();
        const open = this.#open.get(uid);
        if (open === undefined) throw new Error(`${key} is followed no more`);
        const { spec, claim, object } = open;
        const groups = servedBy(object);
        return backend.open({ ...spec, groups, claim, ownName: this.#nameByTemplate(open) });
      },
      onChange: () => {
        const open = this.#open.get(uid);
        if (open !== undefined) this.#onChange(open.object);
      },
    });
  }

  #connectionFor(object: BackingChannel, kind: BackedKind): Connection {
    const isOwn = ownSettings(object) !== undefined;
    const connection = (isOwn ? undefined : this.#shared.get(kind)) ?? new Connection(kind, this.#tools);
    if (!isOwn) this.#shared.set(kind, connection);
    connection.setSettings(this.#settingsFor(object, kind));
    return connection;
  }

  #refresh(): void {
    const renewed = new Set<Connection>();
    for (const { object, kind, connection } of this.#open.values())
      if (connection.setSettings(this.#settingsFor(object, kind))) renewed.add(connection);
    for (const { connection, channel } of this.#open.values()) if (renewed.has(connection)) channel.reopen();
  }

  /** Undefined: neither a ConfigMap nor the object says where the broker is. */
  #settingsFor(object: BackingChannel, kind: BackedKind): Settings | undefined {
    const own = ownSettings(object);
    const shared = this.#configMap(NAMESPACE, kind.configMap);
    if (shared === undefined && own === undefined) return undefined;
    const project = own?.project === undefined ? {} : { project: own.project };
    const config: Readonly<Record<string, string>> = { ...shared, ...project };
    if (own?.secret !== undefined) {
      const secret = this.#secret(object.metadata.namespace ?? '', own.secret.name) ?? {};
      const key = secret[own.secret.key];
      return { config, secret: key === undefined ? {} : { [GOOGLE_SECRET.key]: key } };
    }
    const name = config[SECRET_NAME];
    return { config, secret: name === undefined ? {} : (this.#secret(NAMESPACE, name) ?? {}) };
  }

  /** Upstream's own key, with its `{{ .Namespace }}` and `{{ .Name }}` (200-controller/100-config-kafka-features.yaml). */
  #nameByTemplate({ kind, spec: { namespace, name, uid } }: Open): string | undefined {
    const features = kind.kind === 'KafkaChannel' ? this.#configMap(NAMESPACE, KAFKA_FEATURES) : {};
    const template = (this.#configMap(NAMESPACE, kind.configMap) ?? {})[TEMPLATE] ?? features?.[TEMPLATE];
    const values: Readonly<Record<string, string>> = { Namespace: namespace, Name: name, UID: uid };
    return template?.replace(/\{\{\s*\.(\w+)\s*\}\}/g, (whole, field: string) => values[field] ?? whole);
  }
}

function specOf(object: BackingChannel): Open['spec'] {
  const { subscribers: _subscribers, delivery: _delivery, ...spec } = { ...object.spec };
  const { uid = '', namespace = '', name } = object.metadata;
  const key = `${object.kind}/${keyOf(object)}`;
  return { key, uid, namespace, name, spec, externalName: externalNameOf(object) };
}

/** The topic or exchange of somebody else that the object says to use. */
export function externalNameOf({ metadata: { annotations = {} } }: BackingChannel): string | undefined {
  return EXTERNAL_NAMES.map((each) => annotations[each]).find((each) => each !== undefined);
}

type OwnSettings = {
  readonly project?: string;
  readonly secret?: { readonly name: string; readonly key: string };
};

type GoogleSpec = {
  readonly project?: string;
  readonly secret?: { readonly name?: string; readonly key?: string };
};

/** A Channel of messaging.cloud.google.com may say itself which project it is in, and by which key. */
function ownSettings({ apiVersion, spec }: BackingChannel): OwnSettings | undefined {
  if (groupOf(apiVersion) !== 'messaging.cloud.google.com') return undefined;
  const { project, secret } = { ...spec } as GoogleSpec; // its schema says so
  if (project === undefined && secret === undefined) return undefined;
  return {
    ...(project !== undefined && { project }),
    ...(secret !== undefined && { secret: { ...GOOGLE_SECRET, ...secret } }),
  };
}
