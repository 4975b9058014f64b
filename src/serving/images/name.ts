import { PlatformError } from '../../base/errors.ts';

export type ImageName = {
  /** As Docker normalises it, without digest: `docker.io/library/greeter:latest`. */
  readonly name: string;
  readonly digest: string | undefined; // sha256:…
};

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const REGISTRY = /^[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** Reads an image reference as Docker does (distribution/reference); throws IMAGE_NAME_INVALID saying what is wrong. */
export function parseImageName(reference: string): ImageName {
  const [beforeDigest = '', digest, ...rest] = reference.split('@');
  if (rest.length > 0 || (digest !== undefined && !DIGEST.test(digest)))
    throw invalid(reference, 'its digest is not sha256: and 64 hex digits');
  const slash = beforeDigest.indexOf('/');
  const first = beforeDigest.slice(0, Math.max(slash, 0));
  const hasRegistry = /[.:]/.test(first) || first === 'localhost';
  const registry = hasRegistry ? first : 'docker.io';
  if (!REGISTRY.test(registry)) throw invalid(reference, `${JSON.stringify(registry)} is no registry`);
  const remainder = hasRegistry ? beforeDigest.slice(slash + 1) : beforeDigest;
  const [path = '', tag = 'latest', ...more] = remainder.split(':');
  if (more.length > 0 || !TAG.test(tag))
    throw invalid(reference, `its tag ${JSON.stringify(tag)} is not one`);
  const components = registry === 'docker.io' && !path.includes('/') ? ['library', path] : path.split('/');
  const bad = components.find((component) => !COMPONENT.test(component));
  if (bad !== undefined)
    throw invalid(
      reference,
      `${JSON.stringify(bad)} has to be lower-case letters, digits and . _ - between them`,
    );
  return { name: `${registry}/${components.join('/')}:${tag}`, digest };
}

function invalid(reference: string, why: string): PlatformError {
  return new PlatformError('IMAGE_NAME_INVALID', `${JSON.stringify(reference)} is no image name: ${why}`, {
    retryable: false,
  });
}
