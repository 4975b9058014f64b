import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import { digestOf } from './bundle.ts';
import { KNOWN_NAMES, knownImage } from './known-images.ts';
import type { ImageLaunch, ImageUser } from './launch.ts';
import { parseImageName } from './name.ts';
import { DRAFT, writeDraft } from './packing/draft.ts';
import type { Candidate, Kept } from './packing/pack.ts';
import { Packer } from './packing/packer.ts';

export type StoredImage = {
  readonly digest: string; // sha256:…
  readonly directory: string;
  readonly launch: ImageLaunch;
  readonly user?: ImageUser;
};
export type ListedImage = { readonly name: string; readonly digest: string; readonly pushedAt: string };
/** One that nobody has pushed: it does as the one that Knative's documentation names. */
export type OwnImage = { readonly name: string; readonly digest: string; readonly origin: 'millrace' };

/** Loads the entry of a function once; says why it cannot be used, or undefined when it can. */
export type FunctionCheck = (directory: string, entry: string) => Promise<string | undefined>;

/** The images that `push` has stored on this machine, by digest; names point to digests and move with a push. */
export class ImageStore {
  readonly #folder: string;
  readonly #check: FunctionCheck;
  readonly #packer = new Packer();

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
    const { name } = parseImageName(reference);
    const { draft, guessed, otherwise } = await this.#packer.pack({
      folder: this.#folder,
      path,
      command,
      user,
    });
    try {
      const { launch, kept, digest } = await this.#proven(draft, guessed, otherwise);
      const directory = this.#place(draft, digest, kept);
      const pushedAt = new Date(nowMs).toISOString();
      this.#point(name, { digest, pushedAt });
      return { name, digest, pushedAt, directory, launch, ...(user && { user }) };
    } finally {
      await rm(draft, { recursive: true, force: true });
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
    const draft = writeDraft(this.#folder, image.files);
    const directory = this.#place(draft, digest, image.launch);
    rmSync(draft, { recursive: true, force: true });
    return { digest, directory, launch: image.launch };
  }

  async #proven(draft: string, guessed: Candidate, otherwise: Candidate | undefined): Promise<Candidate> {
    const { launch } = guessed;
    if (launch.kind === 'program') return guessed;
    const reason = await this.#check(join(draft, 'root'), launch.entry);
    if (reason === undefined) return guessed;
    if (otherwise !== undefined && reason.includes('exports no function')) return otherwise;
    throw new PlatformError(
      'FUNCTION_INVALID',
      `the function cannot be loaded: ${reason.replaceAll(`${draft}/root/`, '')}`,
      { retryable: false },
    );
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

function replaceFile(file: string, value: unknown): void {
  writeFileSync(`${file}.new`, JSON.stringify(value), { mode: 0o600, flush: true });
  renameSync(`${file}.new`, file);
}
