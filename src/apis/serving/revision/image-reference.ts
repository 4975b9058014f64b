/**
 * What upstream's reader of image names takes (go-containerregistry pkg/name, with WeakValidation); and a repository of one
 * letter, which Docker and `push` take too.
 */
const REPOSITORY = /^[a-z0-9_\-./]{1,255}$/;
const TAG = /^[A-Za-z0-9_\-.]{1,128}$/;
const DIGEST = /^sha256:[a-f0-9]{64}$/;
/** The authority of a URL, as far as a registry has one. */
const REGISTRY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=%]+|\[[0-9A-Fa-f:.]+\])?(?::\d*)?$/;

/** Whether it is `registry/repository:tag` or `…@sha256:…`; registry and tag may be left out. */
export function isImageReference(text: string): boolean {
  if (isTagged(text)) return true;
  const [base = '', digest = '', ...more] = text.split('@');
  return more.length === 0 && DIGEST.test(digest) && (isTagged(base) || isRepository(base));
}

/** The last colon begins a tag, unless a path follows it: then it was a port. */
function isTagged(text: string): boolean {
  const at = text.lastIndexOf(':');
  const tag = at < 0 || text.slice(at).includes('/') ? '' : text.slice(at + 1);
  const base = at < 0 || text.slice(at).includes('/') ? text : text.slice(0, at);
  return (tag === '' || TAG.test(tag)) && isRepository(base);
}

/** What comes before the first slash is a registry when it has a dot or a port. */
function isRepository(text: string): boolean {
  const at = text.indexOf('/');
  const first = at < 0 ? '' : text.slice(0, at);
  const hasRegistry = /[.:]/.test(first);
  return REPOSITORY.test(hasRegistry ? text.slice(at + 1) : text) && (!hasRegistry || REGISTRY.test(first));
}
