import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';

export type Registry = {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** The digest of the one image that it holds, `private/tools:1`. */
  readonly digest: string;
  /** How often its manifest was asked for with the right credentials. */
  readonly served: () => number;
  readonly close: () => void;
};

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const sha256 = (bytes: Buffer): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A registry that speaks as much of the OCI distribution API as a pull takes, for who names a user and a password. */
export async function openRegistry(
  port: number,
  tarFile: string,
  user: string,
  password: string,
): Promise<Registry> {
  const tar = readFileSync(tarFile);
  const layer = gzipSync(tar, { level: 1 });
  const config = Buffer.from(
    JSON.stringify({
      architecture: process.arch === 'x64' ? 'amd64' : process.arch,
      os: 'linux',
      config: {
        Env: ['PATH=/bin:/usr/bin'],
        Cmd: ['sh', '-c', 'echo of the registry; exec httpd -f -p $PORT -h /www'],
      },
      rootfs: { type: 'layers', diff_ids: [sha256(tar)] },
    }),
  );
  const described = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    size: bytes.byteLength,
    digest: sha256(bytes),
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: described('application/vnd.oci.image.config.v1+json', config),
      layers: [described('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
    }),
  );
  const blobs = new Map([config, layer].map((bytes) => [sha256(bytes), bytes]));
  const wanted = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
  let served = 0;
  const answer = ({ url = '', method, headers }: IncomingMessage, response: ServerResponse): void => {
    if (headers.authorization !== wanted) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="registry"' });
      return void response.end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}');
    }
    if (url === '/v2/') return void response.end('{}');
    const isManifest =
      url === '/v2/private/tools/manifests/1' || url.endsWith(`/manifests/${sha256(manifest)}`);
    if (isManifest) served += 1;
    const bytes = isManifest ? manifest : blobs.get(url.split('/blobs/')[1] ?? '');
    if (bytes === undefined) {
      response.writeHead(404);
      return void response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    }
    response.writeHead(200, {
      'content-type': isManifest ? MANIFEST : 'application/octet-stream',
      'content-length': bytes.byteLength,
      'docker-content-digest': sha256(bytes),
    });
    response.end(method === 'HEAD' ? undefined : bytes);
  };
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const host = `127.0.0.1:${port}`;
  return { host, digest: sha256(manifest), served: () => served, close: () => server.close() };
}
