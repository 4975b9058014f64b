import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomUUID,
  type KeyObject,
} from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';

/** Whom the API's own tokens are for, and who makes them (Kubernetes' --service-account-issuer). */
export const API_AUDIENCE = 'https://kubernetes.default.svc.cluster.local';

/** What else a token ends with. */
export type BoundObject = { readonly kind: 'Pod' | 'Secret'; readonly name: string; readonly uid: string };

/** What a token says of its bearer. */
export type Claims = {
  readonly namespace: string;
  readonly account: { readonly name: string; readonly uid: string };
  readonly bound: BoundObject | undefined;
};

export type Issued = { readonly token: string; readonly expiresMs: number };
export type Verified = Claims & { readonly audiences: readonly string[] };

const ALGORITHM = 'ES256';
const FILE = 'service-accounts.key';

/**
 * Makes and verifies the tokens of service accounts, as Kubernetes does (JSON Web Tokens, RFC 7519).
 *   T1  its key is in the platform's folder of keys, mode 0600, and outlives a restart.
 *   T2  a token that is not signed by it, is over, or is for somebody else says nothing at all.
 */
export class TokenAuthority {
  readonly #key: KeyObject;
  readonly #keyId: string;
  readonly #clock: Clock;

  private constructor(key: KeyObject, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
    const open = createPublicKey(key).export({ type: 'spki', format: 'der' });
    this.#keyId = createHash('sha256').update(open).digest('base64url');
  }

  /** Reads its key from `folder`, or makes one. */
  static open(folder: string, clock: Clock): TokenAuthority {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, FILE);
    if (!existsSync(file)) {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      writeFileSync(`${file}.new`, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
      renameSync(`${file}.new`, file);
    }
    return new TokenAuthority(createPrivateKey(readFileSync(file)), clock);
  }

  async issue(
    { namespace, account, bound }: Claims,
    audiences: readonly string[],
    expirationSeconds: number,
  ): Promise<Issued> {
    const { SignJWT } = await import('jose');
    const issuedS = Math.floor(this.#clock.nowMs() / 1000);
    const expiresS = issuedS + expirationSeconds;
    const held = bound && { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } };
    const token = await new SignJWT({ 'kubernetes.io': { namespace, serviceaccount: account, ...held } })
      .setProtectedHeader({ alg: ALGORITHM, kid: this.#keyId })
      .setIssuer(API_AUDIENCE)
      .setSubject(userNameOf(namespace, account.name))
      .setAudience([...audiences])
      .setJti(randomUUID())
      .setIssuedAt(issuedS)
      .setNotBefore(issuedS)
      .setExpirationTime(expiresS)
      .sign(this.#key);
    return { token, expiresMs: expiresS * 1000 };
  }

  /** For one of these audiences; undefined: it says nothing (T2). `audiences` of the answer are those of both. */
  async verify(token: string, audiences: readonly string[]): Promise<Verified | undefined> {
    const { jwtVerify } = await import('jose');
    try {
      const { payload } = await jwtVerify(token, createPublicKey(this.#key), {
        algorithms: [ALGORITHM],
        issuer: API_AUDIENCE,
        audience: [...audiences],
        currentDate: new Date(this.#clock.nowMs()),
      });
      const named = [payload.aud ?? []].flat();
      return {
        ...claimsIn(payload['kubernetes.io']),
        audiences: named.filter((each) => audiences.includes(each)),
      };
    } catch {
      return undefined;
    }
  }
}

/** Kubernetes' name of an account as a user. */
export function userNameOf(namespace: string, account: string): string {
  return `system:serviceaccount:${namespace}:${account}`;
}

/** Of a payload that we have signed. */
function claimsIn(payload: unknown): Claims {
  const { namespace, serviceaccount, pod, secret } = payload as {
    readonly namespace: string;
    readonly serviceaccount: Claims['account'];
    readonly pod?: Omit<BoundObject, 'kind'>;
    readonly secret?: Omit<BoundObject, 'kind'>;
  };
  const bound: BoundObject | undefined =
    pod === undefined ? secret && { kind: 'Secret', ...secret } : { kind: 'Pod', ...pod };
  return { namespace, account: serviceaccount, bound };
}
