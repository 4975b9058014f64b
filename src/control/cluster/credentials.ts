import type { Agent } from 'node:http';

/** Where an API server is, and as whom it is asked. */
export type Credentials = {
  /** `https://10.0.0.1:6443`, without a slash at its end. */
  readonly server: string;
  /** What the kubeconfig calls the user, for when the server does not tell who we are. */
  readonly user: string;
  readonly tls: {
    readonly ca?: string | Buffer | undefined;
    readonly cert?: string | Buffer | undefined;
    readonly key?: string | Buffer | undefined;
    readonly rejectUnauthorized?: boolean | undefined;
    readonly servername?: string | undefined;
  };
  /** One that goes through a proxy; undefined: none is needed. */
  readonly proxyAgent?: Agent | undefined;
  /** Headers that say who asks, anew for each request, as tokens are rotated. */
  readonly headers: () => Promise<Readonly<Record<string, string>>>;
};
