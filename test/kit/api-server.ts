import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KindRegistry } from '../../src/apis/registry.ts';
import { openApiServer } from '../../src/apiserver/api-server.ts';
import { TokenAuthority } from '../../src/apiserver/tokens/token-authority.ts';
import type { LogReader } from '../../src/apiserver/verbs/pod-log.ts';
import { openPki, writeKubeconfig } from '../../src/apiserver/pki/pki.ts';
import { Lifecycle } from '../../src/apiserver/storage/lifecycle.ts';
import { SqliteStore } from '../../src/apiserver/storage/sqlite-store.ts';
import { systemClock } from '../../src/base/clock.ts';

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };
export type TestApi = {
  readonly store: SqliteStore;
  readonly port: number;
  readonly kubeconfig: string;
  /** Runs the real kubectl with these arguments, `input` on its standard input. */
  readonly kubectl: (args: readonly string[], input?: string) => Promise<Ended>;
  readonly close: () => Promise<void>;
};

/** The API server on a folder, with the namespaces that a platform has. */
export async function openTestApi(
  folder: string,
  logs: LogReader = { read: () => undefined },
): Promise<TestApi> {
  mkdirSync(folder, { recursive: true });
  const store = await SqliteStore.open({
    file: join(folder, 'objects.db'),
    kinds: new KindRegistry(),
    clock: systemClock,
  });
  const writer = { user: 'admin' };
  for (const name of ['default', 'knative-serving', 'knative-eventing']) {
    if (store.find({ group: '', kind: 'Namespace', namespace: undefined, name }) !== undefined) continue;
    await store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }, { writer });
  }
  const lifecycle = new Lifecycle(store);
  lifecycle.start();
  const pki = await openPki(join(folder, 'pki'), ['127.0.0.1', 'localhost'], Date.now());
  const server = await openApiServer({
    store,
    pki,
    host: '127.0.0.1',
    port: 0,
    clock: systemClock,
    logs,
    tokens: TokenAuthority.open(join(folder, 'pki'), systemClock),
    extensions: [],
    isReady: () => undefined,
  });
  const kubeconfig = join(folder, 'kubeconfig');
  writeKubeconfig(kubeconfig, `https://127.0.0.1:${server.port}`, pki);
  return {
    store,
    port: server.port,
    kubeconfig,
    kubectl: kubectlFor(folder, kubeconfig),
    async close() {
      await server.close(500);
      await lifecycle.close();
      await store.close();
    },
  };
}

export function kubectlFor(folder: string, kubeconfig: string): TestApi['kubectl'] {
  let last = 0;
  return (args, input) =>
    new Promise((resolve) => {
      const stdin = input === undefined ? [] : ['-f', writeInput(folder, (last += 1), input)];
      const env = {
        ...process.env,
        HOME: folder,
        KUBECONFIG: kubeconfig,
        KUBECACHEDIR: join(folder, 'kube-cache'),
      };
      execFile('kubectl', [...args, ...stdin], { env, timeout: 30_000 }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
      });
    });
}

function writeInput(folder: string, n: number, input: string): string {
  const file = join(folder, `input-${n}.yaml`);
  writeFileSync(file, input);
  return file;
}
