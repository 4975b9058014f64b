import { createHash } from 'node:crypto';
import { childName } from '../apis/names.ts';

/** What Kubernetes makes the ends of Pod names of. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const LENGTH = 5;
const HASH_LENGTH = 9;

/** Kubernetes' bound for what comes before it (apiserver names/generate.go). */
const BASE_MAX = 58;

/** The Deployment of a revision, shortened where its name is long (serving pkg/reconciler/revision/resources/names). */
export function deploymentName(revision: string): string {
  return childName(revision, '-deployment');
}

/** A name for an instance of a revision, which is that of its Pod: as if the Deployment had a ReplicaSet. */
export function instanceName(revision: string, random: () => number): string {
  return `${deploymentName(revision)}-${hashOf(revision)}-`.slice(0, BASE_MAX) + instanceSuffix(random);
}

/** What stands for the hash of its template, which is the same for good. */
function hashOf(revision: string): string {
  const digest = createHash('sha256').update(revision).digest();
  return Array.from(digest.subarray(0, HASH_LENGTH), (byte) => LETTERS.charAt(byte % LETTERS.length)).join(
    '',
  );
}

/** The end of such a name. */
export function instanceSuffix(random: () => number): string {
  const letter = (): string => LETTERS.charAt(Math.floor(random() * LETTERS.length));
  return Array.from({ length: LENGTH }, letter).join('');
}
