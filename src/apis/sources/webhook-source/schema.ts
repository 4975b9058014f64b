import Type from 'typebox';
import { int32, oneOfStrings, text } from '../../schema.ts';
import { optionalValue, secretValue, type SecretKeyRef, type SourceObject } from '../source-kind.ts';

export const WEBHOOK_SOURCE = { apiVersion: 'sources.millrace.dev/v1alpha1', kind: 'WebhookSource' };

/** Services whose scheme and events are known; each is tested with what the service publishes. */
export const PRESETS = ['stripe', 'slack', 'standard-webhooks', 'svix', 'gitlab'] as const;
export const ENCODINGS = ['hex', 'base64'] as const;
export const ALGORITHMS = ['sha1', 'sha256', 'sha384', 'sha512'] as const;
/** Exactly one of them says how a delivery proves where it comes from. */
export const SCHEMES = ['stripe', 'slack', 'standardWebhooks', 'hmac', 'token', 'basic', 'none'] as const;
export const ATTRIBUTES = ['type', 'source', 'subject', 'id', 'time'] as const;

const secret = secretValue('One of the secrets that a delivery may be signed with.', optionalValue);

const from = (description: string) =>
  Type.Optional(
    Type.Object(
      {
        value: Type.Optional(text('This text, for every event.')),
        header: Type.Optional(text('The value of this header.')),
        pointer: Type.Optional(
          text('The value at this JSON pointer (RFC 6901) in a JSON body, or of that field of a form.'),
        ),
        prefix: Type.Optional(text('Put before what the header or the body has.')),
        default: Type.Optional(text('When the header or the body has nothing there.')),
      },
      { description },
    ),
  );

const scheme = (description: string, members: Parameters<typeof Type.Object>[0] = {}) =>
  Type.Optional(Type.Object(members, { description }));

const verification = Type.Object(
  {
    tolerance: Type.Optional(
      text('How far the time in a signature may be from now, as an ISO 8601 duration; PT5M when absent.'),
    ),
    stripe: scheme(
      'Stripe-Signature: t=…,v1=…: HMAC-SHA256 of the time, a dot and the body, in hexadecimal.',
      {
        header: Type.Optional(text('Another header than Stripe-Signature.')),
      },
    ),
    slack: scheme('X-Slack-Signature and X-Slack-Request-Timestamp: HMAC-SHA256 of v0:time:body.'),
    standardWebhooks: scheme('Standard Webhooks: webhook-id, webhook-timestamp, webhook-signature.', {
      headerPrefix: Type.Optional(text('How the three headers begin; webhook when absent.')),
    }),
    hmac: scheme('An HMAC of the body in a header.', {
      header: Type.Optional(text('The header that has it.')),
      prefix: Type.Optional(text('What stands before it in the header, such as sha256=.')),
      encoding: Type.Optional(oneOfStrings(ENCODINGS, 'How it is written; hex when absent.')),
      algorithm: Type.Optional(oneOfStrings(ALGORITHMS, 'Its hash; sha256 when absent.')),
    }),
    token: scheme('The secret itself, in a header.', {
      header: Type.Optional(text('The header that has it; Authorization when absent.')),
      prefix: Type.Optional(
        text('What stands before it; "Bearer " for Authorization when absent, else nothing.'),
      ),
    }),
    basic: scheme('HTTP Basic: the secret is the password.', {
      usernameKey: Type.Optional(
        text('The key of the same Secret that has the user name; username when absent.'),
      ),
    }),
    none: scheme('None: whoever knows the address can send events.'),
  },
  { description: 'How a delivery proves where it comes from: exactly one of the schemes.' },
);

export const webhookSourceSpec = {
  preset: Type.Optional(oneOfStrings(PRESETS, 'A service whose scheme and events are known.')),
  secrets: Type.Optional(
    Type.Array(secret, { description: 'Any of them is good; several while one is exchanged.' }),
  ),
  verification: Type.Optional(verification),
  attributes: Type.Optional(
    Type.Object(
      {
        type: from('The type of the event.'),
        source: from('The source of the event.'),
        subject: from('The subject of the event.'),
        id: from('The id of the event; a random one when there is none.'),
        time: from('The time of the event: RFC 3339, or seconds or milliseconds since the epoch.'),
        extensions: Type.Optional(
          Type.Unsafe<Readonly<Record<string, ValueFrom>>>({
            type: 'object',
            additionalProperties: JSON.parse(JSON.stringify(from('An extension.'))) as object,
            description: 'Extensions of the event, by name.',
          }),
        ),
      },
      { description: 'What the attributes of an event are made of; those of a preset, unless given here.' },
    ),
  ),
  dedupeWindow: Type.Optional(
    text(
      'How long a delivery with the same id is taken once only, as an ISO 8601 duration; not at all when absent.',
    ),
  ),
  handshake: Type.Optional(
    Type.Object(
      {
        allowedOrigins: Type.Optional(
          Type.Array(Type.String(), { description: 'Who may send, by DNS name; * for anybody.' }),
        ),
        allowedRate: Type.Optional(int32('Requests a minute that senders are told; * when absent.')),
      },
      { description: 'How the CloudEvents webhook handshake (OPTIONS) is answered; without it, with 405.' },
    ),
  ),
};

export type ValueFrom = {
  readonly value?: string;
  readonly header?: string;
  readonly pointer?: string;
  readonly prefix?: string;
  readonly default?: string;
};

export type Attribute = (typeof ATTRIBUTES)[number];
export type AttributeSpec = { readonly [name in Attribute]?: ValueFrom } & {
  readonly extensions?: Readonly<Record<string, ValueFrom>>;
};

export type VerificationSpec = {
  readonly tolerance?: string;
  readonly stripe?: { readonly header?: string };
  readonly slack?: object;
  readonly standardWebhooks?: { readonly headerPrefix?: string };
  readonly hmac?: {
    readonly header?: string;
    readonly prefix?: string;
    readonly encoding?: (typeof ENCODINGS)[number];
    readonly algorithm?: (typeof ALGORITHMS)[number];
  };
  readonly token?: { readonly header?: string; readonly prefix?: string };
  readonly basic?: { readonly usernameKey?: string };
  readonly none?: object;
};

export type WebhookSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly preset?: (typeof PRESETS)[number];
    readonly secrets?: readonly { readonly secretKeyRef?: SecretKeyRef & { readonly optional?: boolean } }[];
    readonly verification?: VerificationSpec;
    readonly attributes?: AttributeSpec;
    readonly dedupeWindow?: string;
    readonly handshake?: { readonly allowedOrigins?: readonly string[]; readonly allowedRate?: number };
  };
  readonly status?: SourceObject['status'] & { readonly webhookURL?: string };
};
