import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import type { AdmissionContext } from '../../../src/apis/kind.ts';
import { gitHubSourceKind } from '../../../src/apis/sources/github-source/github-source.ts';
import type { GitHubSource } from '../../../src/apis/sources/github-source/schema.ts';
import { planGitHubSource } from '../../../src/sources/github/plan.ts';
import { aGitHubSource } from '../../kit/github.ts';

const CONTEXT: AdmissionContext = {
  operation: 'CREATE',
  old: undefined,
  user: 'admin',
  configMap: () => undefined,
};
const WINDOW = 'sources.millrace.dev/dedupe-window';
const faults = (source: GitHubSource): string =>
  renderFieldErrors(gitHubSourceKind.validate(source, CONTEXT));
const withSpec = (spec: Record<string, unknown>): GitHubSource =>
  aGitHubSource(spec as Partial<GitHubSource['spec']>);

describe('a GitHubSource', () => {
  it('needs no access token', () => {
    expect(faults(aGitHubSource())).toBe('');
    expect(gitHubSourceKind.warn?.(aGitHubSource())).toEqual([]);
  });

  it('places its sink in its own namespace, once', () => {
    const ref = { apiVersion: 'v1', kind: 'Service', name: 's' };
    const source = gitHubSourceKind.setDefaults(aGitHubSource({ sink: { ref } }), CONTEXT);
    expect(source.spec.sink).toEqual({ ref: { ...ref, namespace: 'demo' } });
    expect(gitHubSourceKind.setDefaults(source, CONTEXT)).toEqual(source);
  });

  it('is refused without what it cannot do without, naming all of it', () => {
    const empty = withSpec({
      ownerAndRepository: undefined,
      eventTypes: [],
      secretToken: undefined,
      sink: undefined,
    });
    expect(faults(empty)).toBe(
      'missing field(s): spec.eventTypes, spec.ownerAndRepository, spec.secretToken, spec.sink',
    );
    const { spec: _, ...bare } = aGitHubSource();
    expect(faults(bare as GitHubSource)).toContain('missing field(s)');
    expect(() => gitHubSourceKind.setDefaults(bare as GitHubSource, CONTEXT)).not.toThrow();
  });

  it.each<[Record<string, unknown>, string]>([
    [{ ownerAndRepository: 'a/b/c' }, 'invalid value: a/b/c: spec.ownerAndRepository'],
    [{ ownerAndRepository: 'a b' }, 'invalid value: a b: spec.ownerAndRepository'],
    [{ ownerAndRepository: 'a/..' }, 'invalid value: a/..: spec.ownerAndRepository'],
    [{ githubAPIURL: 'github.example.com' }, 'invalid value: github.example.com: spec.githubAPIURL'],
    [{ githubAPIURL: 'ftp://github.example.com/' }, 'spec.githubAPIURL'],
    [{ githubAPIURL: 'https://me:secret@github.example.com/' }, 'spec.githubAPIURL'],
    [{ sink: {} }, 'expected at least one, got none: spec.sink.ref, spec.sink.uri'],
    [
      { secretToken: {} },
      'missing field(s): spec.secretToken.secretKeyRef.key, spec.secretToken.secretKeyRef.name',
    ],
    [{ secretToken: { secretKeyRef: { name: 's' } } }, 'missing field(s): spec.secretToken.secretKeyRef.key'],
    [{ accessToken: { secretKeyRef: { key: 'k' } } }, 'missing field(s): spec.accessToken.secretKeyRef.name'],
    [
      { ceOverrides: { extensions: { 'my-name': 'x' } } },
      'invalid key name "my-name": spec.ceOverrides.extensions\nkeys are expected to be alphanumeric',
    ],
    [
      { ceOverrides: { extensions: { '': 'x' } } },
      'invalid key name "": spec.ceOverrides.extensions\nkeys MUST NOT be empty',
    ],
    ...['id', 'Team'].map((name): [Record<string, unknown>, string] => [
      { ceOverrides: { extensions: { [name]: 'x' } } },
      `invalid key name "${name}": spec.ceOverrides.extensions\nan extension has lower-case letters and digits, and is no core attribute`,
    ]),
    [{ ceOverrides: { extensions: { a: 'x\ny' } } }, 'spec.ceOverrides.extensions[a]'],
    [{ ceOverrides: { extensions: { a: '' } } }, 'spec.ceOverrides.extensions[a]'],
  ])('with %j is refused', (spec, text) => {
    expect(faults(withSpec(spec))).toContain(text);
  });

  it('with an access token for an API without TLS is warned of, and taken', () => {
    const accessToken = { secretKeyRef: { name: 'github', key: 'accessToken' } };
    const enterprise = withSpec({ accessToken, githubAPIURL: 'http://github.example.com/api/v3/' });
    expect(faults(enterprise)).toBe('');
    expect(gitHubSourceKind.warn?.(enterprise)).toEqual([expect.stringContaining('without TLS')]);
    expect(gitHubSourceKind.warn?.(withSpec({ accessToken }))).toEqual([]);
  });

  it('is shown by kubectl with the columns of upstream', () => {
    const { columns, plural, categories } = gitHubSourceKind;
    expect(columns.map(({ name, from }) => [name, from])).toEqual([
      ['Ready', '.status.conditions[?(@.type=="Ready")].status'],
      ['Reason', '.status.conditions[?(@.type=="Ready")].reason'],
      ['Sink', '.status.sinkUri'],
      ['Age', '.metadata.creationTimestamp'],
    ]);
    expect(plural).toBe('githubsources');
    expect(categories).toEqual(['all', 'knative', 'eventing', 'sources']);
  });

  it('takes an event that nobody knows, with a warning', () => {
    const source = aGitHubSource({ eventTypes: ['push', '*', 'sneeze'] });
    expect(faults(source)).toBe('');
    expect(gitHubSourceKind.warn?.(source)).toEqual([expect.stringContaining('"sneeze"')]);
  });

  it.each(['PT10M', 'P1D'])('takes the dedupe window %s', (window) => {
    expect(faults(aGitHubSource({}, { [WINDOW]: window }))).toBe('');
  });
  it.each(['10m', '', 'PT0S'])('refuses the dedupe window "%s"', (window) => {
    expect(faults(aGitHubSource({}, { [WINDOW]: window }))).toContain(`metadata.annotations[${WINDOW}]`);
  });
});

describe('the plan of a GitHubSource', () => {
  it('holds what the receiver has to know, without a dedupe window unless one is asked for', () => {
    expect(planGitHubSource(aGitHubSource({ ceOverrides: { extensions: { a: 'b' } } }))).toEqual({
      key: 'demo/repository',
      uid: 'u-1',
      namespace: 'demo',
      ownerAndRepository: 'Codertocat/Hello-World',
      eventTypes: new Set(['*']),
      secret: { name: 'github-webhook', key: 'secretToken' },
      sinkUrl: 'http://sink.example/',
      extensions: new Map([['a', 'b']]),
      dedupeMs: 0,
    });
    expect(planGitHubSource(aGitHubSource({}, { [WINDOW]: 'PT1M' })).dedupeMs).toBe(60_000);
  });
});
