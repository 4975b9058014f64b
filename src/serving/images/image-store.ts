import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { digestOf, readBundle, refuseEscapes, type BundleFile } from './bundle.ts';
import { KNOWN_NAMES, knownImage } from './known-images.ts';
import { guessLaunch, type ImageLaunch, type ImageUser } from './launch.ts';
import { parseImageName } from './name.ts';
import { withJavaScript } from './strip-types.ts';

export type StoredImage = {
  readonly digest: string; // sha256:…
  readonly directory: string;
  readonly launch: ImageLaunch;
  readonly user?: ImageUser;
};
/** How an image is kept: what it is, beside its folder. */
type Kept = ImageLaunch & { readonly user?: ImageUser };
export type ListedImage = { readonly name: string; readonly digest: string; readonly pushedAt: string };
/** One that nobody has pushed: it does as the one that Knative's documentation names. */
export type OwnImage = { readonly name: string; readonly digest: string; readonly origin: 'millrace' };

/** Loads the entry of a function once; says why it cannot be used, or undefined when it can. */
export type FunctionCheck = (directory: string, entry: string) => Promise<string | undefined>;

const DRAFT = '.draft-';

/** The images that `push` has stored on this machine, by digest; names point to digests and move with a push. */
export class ImageStore {
  readonly #folder: string;
  readonly #check: FunctionCheck;

  constructor(folder: string, check: FunctionCheck) {
    this.#folder = folder;
    this.#check = check;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const drafts = readdirSync(folder).filter((name) => name.startsWith(DRAFT));
    for (const draft of drafts) rmSync(join(folder, draft), { recursive: true, force: true }); // of a killed push
  }

  /** Stores what is at `path` under `reference`; throws IMAGE_NAME_INVALID, PUSH_INVALID or FUNCTION_INVALID. */
  async push(
    reference: string,
    path: string,
    command: string | undefined,
    nowMs: number,
    user?: ImageUser,
  ): Promise<ListedImage & StoredImage> {
    return this.store(reference, readBundle(path), command, nowMs, user);
  }

  async store(
    reference: string,
    pushed: readonly BundleFile[],
    command: string | undefined,
    nowMs: number,
    user?: ImageUser,
  ): Promise<ListedImage & StoredImage> {
    const { name } = parseImageName(reference);
    refuseEscapes(pushed);
    const { launch: guessed, otherwise } = guessLaunch(pushed, command);
    const [files, javaScript] = withJavaScript(pushed);
    const draft = this.#write(files);
    try {
      const launch = await this.#proven(draft, withStrippedEntry(guessed, javaScript), otherwise);
      const kept: Kept = user === undefined ? launch : { ...launch, user };
      const digest = digestOf(files, kept);
      const directory = this.#place(draft, digest, kept);
      const pushedAt = new Date(nowMs).toISOString();
      this.#point(name, { digest, pushedAt });
      return { name, digest, pushedAt, directory, launch, ...(user && { user }) };
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }

  /**
   * What a reference means now: by its digest when it has one, else by what its name points to; a name of ours that nobody
   * has pushed is one of ours.
   */
  resolve(reference: string): StoredImage | undefined {
    const { name, digest } = parseImageName(reference);
    const pushed = digest ?? this.#names()[name]?.digest;
    const stored = pushed === undefined ? undefined : this.#stored(pushed);
    if (stored !== undefined) return stored;
    const own = this.#own(name);
    if (own === undefined || (pushed !== undefined && pushed !== own.digest)) return undefined;
    return own;
  }

  list(): readonly (ListedImage | OwnImage)[] {
    const names = this.#names();
    const pushed = Object.entries(names).map(([name, { digest, pushedAt }]) => ({ name, digest, pushedAt }));
    const own = KNOWN_NAMES.filter((name) => names[name] === undefined).flatMap((name) => {
      const digest = this.#own(name)?.digest;
      return digest === undefined ? [] : [{ name, digest, origin: 'millrace' as const }];
    });
    return [...pushed, ...own];
  }

  #stored(digest: string): StoredImage | undefined {
    const directory = this.#directoryOf(digest);
    const file = `${directory}.json`;
    if (!existsSync(file)) return undefined;
    const { user, ...launch } = JSON.parse(readFileSync(file, 'utf8')) as Kept; // written by #place
    return { digest, directory, launch, ...(user && { user }) };
  }

  /** Written when it is first asked for. */
  #own(name: string): StoredImage | undefined {
    const image = knownImage(name);
    if (image === undefined) return undefined;
    const digest = digestOf(image.files, image.launch);
    const stored = this.#stored(digest);
    if (stored !== undefined) return stored;
    const draft = this.#write(image.files);
    const directory = this.#place(draft, digest, image.launch);
    rmSync(draft, { recursive: true, force: true });
    return { digest, directory, launch: image.launch };
  }

  async #proven(
    draft: string,
    launch: ImageLaunch,
    otherwise: ImageLaunch | undefined,
  ): Promise<ImageLaunch> {
    if (launch.kind === 'program') return launch;
    const reason = await this.#check(join(draft, 'root'), launch.entry);
    if (reason === undefined) return launch;
    if (otherwise !== undefined && reason.includes('exports no function')) return otherwise;
    throw new PlatformError(
      'FUNCTION_INVALID',
      `the function cannot be loaded: ${reason.replaceAll(`${draft}/root/`, '')}`,
      { retryable: false },
    );
  }

  #write(files: readonly BundleFile[]): string {
    const draft = mkdtempSync(join(this.#folder, DRAFT));
    for (const file of files) {
      const path = join(draft, 'root', file.path);
      mkdirSync(dirname(path), { recursive: true });
      if (file.kind === 'link') symlinkSync(file.target, path);
      else writeFileSync(path, file.content, { mode: file.isExecutable ? 0o555 : 0o444 }); // M1
    }
    return draft;
  }

  /** M2: the folder first, then the file that makes it an image. */
  #place(draft: string, digest: string, kept: Kept): string {
    const directory = this.#directoryOf(digest);
    if (!existsSync(`${directory}.json`)) {
      rmSync(directory, { recursive: true, force: true });
      renameSync(join(draft, 'root'), directory);
      replaceFile(`${directory}.json`, kept);
    }
    return directory;
  }

  #point(name: string, to: { digest: string; pushedAt: string }): void {
    replaceFile(join(this.#folder, 'names.json'), { ...this.#names(), [name]: to });
  }

  #names(): Record<string, { digest: string; pushedAt: string }> {
    const file = join(this.#folder, 'names.json');
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}; // written by #point
  }

  #directoryOf(digest: string): string {
    return join(this.#folder, digest.replace(':', '-'));
  }
}

function withStrippedEntry(launch: ImageLaunch, javaScript: ReadonlyMap<string, string>): ImageLaunch {
  return launch.kind === 'function'
    ? { ...launch, entry: javaScript.get(launch.entry) ?? launch.entry }
    : launch;
}

function replaceFile(file: string, value: unknown): void {
  writeFileSync(`${file}.new`, JSON.stringify(value), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
