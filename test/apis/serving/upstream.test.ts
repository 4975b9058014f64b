import { describe, expect, it } from 'vitest';
import { renderFieldErrors } from '../../../src/apis/field-error.ts';
import type { AdmissionContext, KindDefinition } from '../../../src/apis/kind.ts';
import { KindRegistry } from '../../../src/apis/registry.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { admit } from '../../../src/apiserver/storage/admission.ts';
import { subdomainFault } from '../../../src/apis/names.ts';
import { ApiError } from '../../../src/apiserver/storage/api-error.ts';
import { upstreamAnswers, withoutZeros } from '../../kit/upstream.ts';

type Configs = Readonly<Record<string, Readonly<Record<string, string>>>>;
type Case = {
  readonly kind: string;
  readonly object: Resource;
  readonly old?: Resource;
  readonly configs?: Configs;
  readonly answer: { readonly object: Resource; readonly fault?: string };
};
type Answer = { readonly object: unknown; readonly fault: string };

const { kinds } = new KindRegistry();

/** Upstream's own `allow-zero-initial-scale`, where nothing is said. */
function contextOf({ old, configs = {} }: Case): AdmissionContext {
  const autoscaler = { 'allow-zero-initial-scale': 'false', ...configs['config-autoscaler'] };
  const maps: Configs = { ...configs, 'config-autoscaler': autoscaler };
  const operation = old === undefined ? 'CREATE' : 'UPDATE';
  return { operation, old, user: 'admin', configMap: (_, name) => maps[name] };
}

function kindOf({ object }: Case): KindDefinition {
  const [group = ''] = object.apiVersion.split('/');
  const kind = kinds.find((each) => each.group === group && each.kind === object.kind);
  if (kind === undefined) throw new Error(`no kind ${object.kind}`);
  return kind;
}

/** What we make of it. */
function ours(asked: Case): Answer {
  const [kind, context] = [kindOf(asked), contextOf(asked)];
  const whole = kind.setDefaults(asked.object, context);
  return { object: comparable(whole), fault: renderFieldErrors(kind.validate(whole, context)) };
}

/** Values that Go prints in its own way: structs, lists, maps and pointers. */
const GO_VALUE = /\t[-+]: .*(?:"[&[{<]|"map\[|"nil"|0x|^\t[-+]: [a-z0-9]+\.)/m;

/** Of a diff, what stands before its values, where Go has printed one of them. */
function withoutGoValues(fault: string): string {
  return fault.replace(/(\(-old \+new\)[^\n]*)\n[^]*$/, '$1');
}

const SERVING = ['Service', 'Configuration', 'Route', 'Revision'];

function admitted(asked: Case): string {
  try {
    admit(kindOf(asked), asked.object, contextOf(asked));
    return 'taken';
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** In a Revision `containerConcurrency` is a pointer, and so told when it is 0; in what is made of it it is none. */
function comparable(object: Resource): unknown {
  const { status: _, ...desired } = object as Resource & { readonly status?: unknown };
  const { spec } = desired as { readonly spec?: { readonly containerConcurrency?: number } };
  if (object.kind !== 'PodAutoscaler' || spec === undefined) return withoutZeros(desired);
  const { containerConcurrency = 0, ...rest } = spec;
  return withoutZeros({ ...desired, spec: containerConcurrency === 0 ? rest : spec });
}

/** What is ours on purpose. */
const ON_PURPOSE: readonly { readonly why: string; readonly is: (asked: Case) => boolean }[] = [
  {
    why: 'an image may have a name of one letter, as Docker and `push` have it',
    is: ({ object }) => /"image":"localhost:5000\/x[":]/.test(JSON.stringify(object)),
  },
];

function differences(cases: readonly Case[]): readonly unknown[] {
  return cases
    .filter((asked) => !ON_PURPOSE.some(({ is }) => is(asked)))
    .flatMap((asked) => {
      const fault = asked.answer.fault ?? '';
      const isOfGo = GO_VALUE.test(fault);
      const answer = ours(asked);
      const said = isOfGo ? withoutGoValues(answer.fault) : answer.fault;
      const expected: Answer = {
        object: comparable(asked.answer.object),
        fault: isOfGo ? withoutGoValues(fault) : fault,
      };
      return JSON.stringify({ ...answer, fault: said }, sorted) === JSON.stringify(expected, sorted)
        ? []
        : [{ asked: { ...asked, answer: undefined }, ours: { ...answer, fault: said }, upstream: expected }];
    });
}

/** Members in one order. */
const sorted = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

describe('the admission of Knative’s kinds', () => {
  const [made, changed] = [upstreamAnswers<Case>('admissions'), upstreamAnswers<Case>('updates')];
  const all = [...new Set(made.map(({ kind }) => kind))];

  it.each(all)('completes and refuses each new %s as upstream’s webhook does', (kind) => {
    const cases = made.filter((each) => each.kind === kind);
    expect(cases.length).toBeGreaterThan(1);
    expect(differences(cases).slice(0, 3)).toEqual([]);
  });

  it('takes each change, or refuses it, as upstream’s webhook does', () => {
    expect(changed.length).toBeGreaterThan(600);
    expect(differences(changed).slice(0, 3)).toEqual([]);
  });

  it('says so through the API server, which knows the fields and their types', () => {
    const denied = 'admission webhook "validation.webhook.serving.knative.dev" denied the request: ';
    const cases = made.filter(
      // Another name is refused by the API server itself; the kinds of controllers have more to their schemas.
      ({ kind, object }) => SERVING.includes(kind) && subdomainFault(object.metadata.name) === undefined,
    );
    const others = cases.flatMap((asked) => {
      const { fault } = asked.answer;
      const expected = fault === undefined ? 'taken' : `${denied}validation failed: ${fault}`;
      const isOurs = ON_PURPOSE.some(({ is }) => is(asked));
      const said = admitted(asked);
      return said === expected || isOurs ? [] : [{ asked: asked.object, said, expected }];
    });
    expect(cases.length).toBeGreaterThan(4000);
    expect(others.slice(0, 3)).toEqual([]);
  });

  it('is asked for what is right and for what is wrong', () => {
    const refused = made.filter(({ answer }) => answer.fault !== undefined).length;
    expect(refused).toBeGreaterThan(made.length / 4);
    expect(refused).toBeLessThan((made.length * 3) / 4);
  });
});
