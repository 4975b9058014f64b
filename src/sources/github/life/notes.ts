import { createHash, randomBytes } from 'node:crypto';
import type { Bookmark } from '../../source.ts';

/**
 * What is remembered of a webhook from run to run: the bookmark of its source. It holds no secret: of the one that was
 * set at GitHub, which never shows it again, a salted hash.
 */
export type Notes = {
  /** The API and the repository or organisation at which the webhook is. */
  readonly apiUrl: string;
  readonly target: string;
  readonly hookId: string;
  /** What the webhook was set to; undefined: it has to be set. */
  readonly set: WebhookNote | undefined;
  /** By our clock: then everything was taken that GitHub could not bring. */
  readonly lookedAtMs: number;
  /** By GitHub's clock: so are all attempts up to then. 0: there were none. */
  readonly upToMs: number;
  /** Which deliveries were fetched last, as short hashes of their GUIDs. */
  readonly fetched: readonly string[];
  /** What was lost last. */
  readonly lost: Span | undefined;
};
export type WebhookNote = {
  readonly atMs: number;
  /** What GitHub was asked for, and how the webhook looked then: GitHub may write things in its own way. */
  readonly asked: string;
  readonly got: string;
  readonly salt: string;
  readonly secretHash: string; // empty: GitHub signs with another one
};
export type Span = { readonly fromMs: number; readonly toMs: number };

const VERSION = 1;
/** 40 KB of the 64 that a bookmark may have. */
const FETCHED_MAX = 2000;

/** Undefined for what this version does not understand: the webhook is then looked for by its address. */
export function readNotes(text: string | undefined): Notes | undefined {
  if (text === undefined) return undefined;
  try {
    const { version, ...notes } = JSON.parse(text) as Notes & { readonly version: number }; // by writeNotes
    return version === VERSION ? notes : undefined;
  } catch {
    return undefined;
  }
}

export function writeNotes(notes: Notes): string {
  return JSON.stringify({ version: VERSION, ...notes });
}

export function noteOf(asked: string, got: string, secret: string, atMs: number): WebhookNote {
  const salt = randomBytes(16).toString('base64url');
  return { atMs, asked, got, salt, secretHash: hashOf(salt, secret) };
}

export function hasSecret({ salt, secretHash }: WebhookNote, secret: string): boolean {
  return hashOf(salt, secret) === secretHash;
}

/** With one more delivery fetched, the oldest forgotten. */
export function withFetched(notes: Notes, guid: string): Notes {
  return { ...notes, fetched: [...notes.fetched, shortOf(guid)].slice(-FETCHED_MAX) };
}

/** 96 bits are enough to tell some thousand apart. */
export const shortOf = (guid: string): string =>
  createHash('sha256').update(guid).digest('base64url').slice(0, 16);

const hashOf = (salt: string, secret: string): string =>
  createHash('sha256').update(`${salt} ${secret}`).digest('base64url');

/** The notes as they are durable now. */
export class Notebook {
  readonly #bookmark: Bookmark;
  #notes: Notes | undefined;
  #isRead = false;

  constructor(bookmark: Bookmark) {
    this.#bookmark = bookmark;
  }

  /** Undefined: nothing is known of a webhook. */
  async read(): Promise<Notes | undefined> {
    if (!this.#isRead) this.#notes = readNotes(await this.#bookmark.read());
    this.#isRead = true;
    return this.#notes;
  }

  /** Resolves once they are durable. */
  async keep(notes: Notes): Promise<Notes> {
    await this.#bookmark.write(writeNotes(notes));
    this.#notes = notes;
    return notes;
  }
}
