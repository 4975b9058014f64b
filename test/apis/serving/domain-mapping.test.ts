import { describe, expect, it } from 'vitest';
import { clusterDomainClaimKind } from '../../../src/apis/networking/cluster-domain-claim/cluster-domain-claim.ts';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import { domainMappingKind } from '../../../src/apis/serving/domain-mapping/domain-mapping.ts';
import { pathTargets } from '../../../src/apis/serving/domain-mapping/reach.ts';
import { DOMAIN_MAPPING, type DomainMapping } from '../../../src/apis/serving/domain-mapping/types.ts';
import { created } from '../../kit/world.ts';

const REF = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'web' };
const mapping = (metadata: object, ref: object = REF): DomainMapping =>
  ({
    ...DOMAIN_MAPPING,
    metadata: { name: 'shop.example', namespace: 'n', ...metadata },
    spec: { ref },
  }) as DomainMapping;
const faults = (object: DomainMapping, old?: DomainMapping): string =>
  renderFieldErrors(domainMappingKind.validate(object, { ...created(), old }));
const annotated = (annotations: Record<string, string>): DomainMapping => mapping({ annotations });

describe('a DomainMapping', () => {
  it('refers to its own namespace unless it says which', () => {
    expect(domainMappingKind.setDefaults(mapping({}), created()).spec.ref).toEqual({
      ...REF,
      namespace: 'n',
    });
    expect(faults(mapping({}, { ...REF, namespace: 'n' }))).toBe('');
  });

  it.each([
    [
      mapping({ name: 'shop' }),
      'invalid name "shop": name: Invalid value: "shop": should be a domain with at least two segments separated by dots: metadata.name',
    ],
    [
      mapping({ name: 'Shop.example' }),
      /^invalid name "Shop.example": name: Invalid value: "Shop.example": a lowercase RFC 1123 subdomain .*: metadata.name$/,
    ],
    [mapping({ name: `${'x'.repeat(64)}.example` }), /must be no more than 63 characters: metadata.name$/],
    [
      mapping({ name: 'a.b.svc.cluster.local' }),
      'invalid name "a.b.svc.cluster.local": must not be a subdomain of cluster local domain "cluster.local": metadata.name',
    ],
    [mapping({ generateName: 'shop' }), 'must not set the field(s): metadata.generateName'],
    [mapping({}, {}), 'missing field(s): spec.ref.apiVersion, spec.ref.kind, spec.ref.name'],
    [
      mapping({}, { ...REF, namespace: 'm' }),
      'mismatched namespaces: spec.ref.namespace\nparent namespace: "n" does not match ref: "m"',
    ],
    [
      annotated({ 'networking.millrace.dev/wildcard': 'yes' }),
      /true or false is expected: metadata.annotations.networking.millrace.dev\/wildcard$/,
    ],
    [annotated({ 'networking.millrace.dev/paths': '/api' }), /"\/api" is not of the form \/path=service: /],
    [
      annotated({ 'networking.millrace.dev/paths': '/api=My_Service' }),
      /My_Service: a lowercase RFC 1123 label/,
    ],
    [annotated({ 'networking.millrace.dev/paths': '/a=x, /a/=y' }), /\/a is given twice/],
  ])('%# is refused', (object, fault) => {
    expect(faults(object)).toMatch(typeof fault === 'string' ? new RegExp(`^${escaped(fault)}$`) : fault);
  });

  it('keeps who made it', () => {
    const by = (user: string): DomainMapping => annotated({ 'serving.knative.dev/creator': user });
    expect(faults(by('eve'), by('ann'))).toBe(
      'annotation value is immutable: metadata.annotations.serving.knative.dev/creator',
    );
    expect(faults(by('ann'), by('ann'))).toBe('');
  });

  it('has the paths that are written, each with its Service', () => {
    expect(pathTargets({ 'networking.millrace.dev/paths': '/api/=a,\n /=b' })).toEqual([
      { prefix: '/api', service: 'a' },
      { prefix: '/', service: 'b' },
    ]);
  });
});

describe('a ClusterDomainClaim', () => {
  it('says whose a domain is', () => {
    const claim = (spec: object) => ({ ...mapping({}), spec }) as never;
    expect(renderFieldErrors(clusterDomainClaimKind.validate(claim({}), created()))).toBe(
      'missing field(s): spec.namespace',
    );
    expect(clusterDomainClaimKind.validate(claim({ namespace: 'n' }), created())).toEqual([]);
  });
});

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
