/** Where attempts go: a URL, taken apart once for all of them. */
export type Target = {
  readonly origin: string;
  readonly path: string; // with its query
  /** The URL without user info: for signals, reasons and `knativeerrordest`, so that none carries a secret. */
  readonly shown: string;
  /** User info goes as Basic credentials, as Go's client sends it for upstream. */
  readonly authorization: string | undefined;
};

/** `url` is absolute, http or https: planDelivery() has checked it. */
export function targetOf(url: string): Target {
  const { origin, pathname, search, username, password } = new URL(url);
  const path = `${pathname}${search}`;
  const hasUser = username !== '' || password !== '';
  const user = `${decoded(username)}:${decoded(password)}`;
  return {
    origin,
    path,
    shown: `${origin}${path}`,
    authorization: hasUser ? `Basic ${Buffer.from(user).toString('base64')}` : undefined,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone percent sign stands for itself
  }
}
