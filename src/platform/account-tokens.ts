import { API_AUDIENCE, type TokenAuthority } from '../apiserver/tokens/token-authority.ts';
import type { Clock } from '../base/clock.ts';
import type { AccountToken, AccountTokens, AskedToken } from '../serving/control/account-tokens.ts';

/** As kubelet renews: after four fifths of its time, and after a day at the latest. */
const RENEWED_AFTER = 0.8;
const RENEWED_AFTER_MS_MAX = 24 * 3_600_000;
/** Questions whose answers are kept; the oldest is asked again. */
const KEPT_MAX = 10_000;

type Kept = Extract<AccountToken, { kind: 'token' }> & { readonly uid: string };

/** The tokens that volumes hold: of an account that is there, made anew in time. */
export function accountTokens(
  authority: Pick<TokenAuthority, 'issue'>,
  uidOf: (namespace: string, account: string) => string | undefined,
  clock: Clock,
): AccountTokens {
  const kept = new Map<string, Kept>();
  return async (asked) => {
    const { namespace, account } = asked;
    const uid = uidOf(namespace, account);
    if (uid === undefined)
      return {
        kind: 'missing',
        reason: `service account ${namespace}/${account} is not there; make it with: kubectl create serviceaccount ${account} -n ${namespace}`,
      };
    const question = JSON.stringify(asked);
    const known = kept.get(question);
    if (known?.uid === uid && known.renewAtMs > clock.nowMs()) return known;
    const made = { ...(await issue(authority, asked, uid, clock.nowMs())), uid };
    kept.delete(question); // the youngest is the last
    kept.set(question, made);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_MAX && oldest !== undefined) kept.delete(oldest);
    return made;
  };
}

async function issue(
  authority: Pick<TokenAuthority, 'issue'>,
  { namespace, account, audience, expirationSeconds }: AskedToken,
  uid: string,
  nowMs: number,
): Promise<Extract<AccountToken, { kind: 'token' }>> {
  const claims = { namespace, account: { name: account, uid }, bound: undefined };
  const { token } = await authority.issue(claims, [audience ?? API_AUDIENCE], expirationSeconds);
  const afterMs = Math.min(expirationSeconds * 1000 * RENEWED_AFTER, RENEWED_AFTER_MS_MAX);
  return { kind: 'token', token, renewAtMs: nowMs + afterMs };
}
