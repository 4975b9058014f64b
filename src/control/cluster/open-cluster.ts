import { groupOf } from '../../apis/registry.ts';
import { PlatformError } from '../../base/errors.ts';
import type { AccessQuestion, ClusterAccess, RefusedAccess, WatchedCluster } from '../watched-cluster.ts';
import { ClusterClient } from './cluster-client.ts';
import { Connection } from './connection.ts';
import type { Credentials } from './credentials.ts';
import { Discovery } from './discovery.ts';
import { inClusterCredentials, SERVICE_ACCOUNT_FOLDER } from './in-cluster.ts';
import { kubeconfigCredentials } from './kubeconfig.ts';

/** Another cluster than the platform's own; nothing is asked of it yet. */
export async function openCluster(
  access: Exclude<ClusterAccess, { kind: 'embedded' }>,
): Promise<WatchedCluster & { readonly reader: ClusterClient }> {
  return clusterOf(
    access.kind === 'kubeconfig'
      ? await kubeconfigCredentials(access.text)
      : await inClusterCredentials(process.env, SERVICE_ACCOUNT_FOLDER),
  );
}

export function clusterOf(credentials: Credentials): WatchedCluster & { readonly reader: ClusterClient } {
  const connection = new Connection(credentials);
  const discovery = new Discovery(connection);
  return {
    url: credentials.server,
    reader: new ClusterClient(connection, discovery),
    isNamespaced: async (kind) => (await discovery.find(kind))?.isNamespaced,
    refused: (questions) => reviewAccess(connection, discovery, questions),
    close: async () => connection.close(),
  };
}

/** Reviews that are asked for at the same time. */
const AT_ONCE_MAX = 8;

async function reviewAccess(
  connection: Connection,
  discovery: Discovery,
  questions: readonly AccessQuestion[],
): Promise<{ user: string; refused: RefusedAccess[] }> {
  const refused: RefusedAccess[] = [];
  for (let i = 0; i < questions.length; i += AT_ONCE_MAX) {
    const answers = questions.slice(i, i + AT_ONCE_MAX).map((each) => review(connection, discovery, each));
    refused.push(...(await Promise.all(answers)).filter((answer) => answer !== undefined));
  }
  const user = refused.length === 0 ? connection.user : await whoAmI(connection);
  return { user, refused };
}

/** Undefined when it is allowed, or when the server knows no reviews. */
async function review(
  connection: Connection,
  discovery: Discovery,
  question: AccessQuestion,
): Promise<RefusedAccess | undefined> {
  const { apiVersion, namespace, verb } = question;
  const resource = (await discovery.served(question)).plural;
  const resourceAttributes = {
    group: groupOf(apiVersion),
    resource,
    verb,
    ...(namespace !== undefined && { namespace }),
  };
  const body = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  };
  const path = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
  const answer = await unlessNotServed(connection.ask<Review>({ method: 'POST', path, body }));
  return answer === undefined || answer.status?.allowed === true ? undefined : { ...question, resource };
}

type Review = {
  readonly status?: { readonly allowed?: boolean; readonly userInfo?: { readonly username?: string } };
};

async function whoAmI(connection: Connection): Promise<string> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const answer = await unlessNotServed(connection.ask<Review>({ method: 'POST', path, body }));
  return answer?.status?.userInfo?.username ?? connection.user;
}

async function unlessNotServed<Answer>(asking: Promise<Answer>): Promise<Answer | undefined> {
  try {
    return await asking;
  } catch (error) {
    if (error instanceof PlatformError && (error.code === 'NOTFOUND' || error.code === 'FORBIDDEN'))
      return undefined;
    throw error;
  }
}
