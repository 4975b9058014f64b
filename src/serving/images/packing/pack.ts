import { digestOf, readBundle, refuseEscapes, type BundleFile } from '../bundle.ts';
import { guessLaunch, type ImageLaunch, type ImageUser } from '../launch.ts';
import { withJavaScript } from '../strip-types.ts';
import { writeDraft } from './draft.ts';

/** How an image is kept: what it is, beside its folder. */
export type Kept = ImageLaunch & { readonly user?: ImageUser };
/** What an image would be, if that is what starts it. */
export type Candidate = { readonly launch: ImageLaunch; readonly kept: Kept; readonly digest: string };

export type PackRequest = {
  /** Of the store. */
  readonly folder: string;
  /** What is pushed. */
  readonly path: string;
  readonly command: string | undefined;
  readonly user: ImageUser | undefined;
};
/** A draft of an image in the store; `otherwise` is what it is when its function turns out to be none. */
export type Packed = {
  readonly draft: string;
  readonly guessed: Candidate;
  readonly otherwise: Candidate | undefined;
};

/** Makes a draft of an image of what is at a path. Throws PUSH_INVALID; takes as long as there is to read and to write. */
export function pack({ path, ...how }: PackRequest): Packed {
  return packFiles(readBundle(path), how);
}

/** The same of files that are known. */
export function packFiles(
  pushed: readonly BundleFile[],
  { folder, command, user }: Omit<PackRequest, 'path'>,
): Packed {
  refuseEscapes(pushed);
  const { launch, otherwise } = guessLaunch(pushed, command);
  const [files, javaScript] = withJavaScript(pushed);
  const candidate = (of: ImageLaunch): Candidate => {
    const kept: Kept = user === undefined ? of : { ...of, user };
    return { launch: of, kept, digest: digestOf(files, kept) };
  };
  return {
    guessed: candidate(withStrippedEntry(launch, javaScript)),
    otherwise: otherwise && candidate(otherwise),
    draft: writeDraft(folder, files),
  };
}

function withStrippedEntry(launch: ImageLaunch, javaScript: ReadonlyMap<string, string>): ImageLaunch {
  return launch.kind === 'function'
    ? { ...launch, entry: javaScript.get(launch.entry) ?? launch.entry }
    : launch;
}
