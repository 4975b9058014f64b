import Type, { type TSchema } from 'typebox';
import { int64, openObject, statusFields, text } from '../../schema.ts';
import { container, revisionSpec, template, trafficTarget } from '../../serving/shared.ts';

const generation = Type.Optional(int64('Not used: metadata.generation counts.'));

/** The spec of a revision as it was written in 2018, and as it has been written since v0.6. */
export const revisionSpecThen = Type.Object(
  {
    ...revisionSpec,
    generation,
    servingState: Type.Optional(text('Active, Reserve or Retired; shown, never obeyed.')),
    concurrencyModel: Type.Optional(text('Single or Multi: Single is a containerConcurrency of 1.')),
    buildName: Type.Optional(text('A build that has to be done first.')),
    buildRef: Type.Optional(openObject('A build that has to be done first.')),
    container: Type.Optional(container),
  },
  { description: 'What runs.', 'x-kubernetes-preserve-unknown-fields': true },
);

const templateThen = Type.Object(
  { metadata: template.properties.metadata, spec: Type.Optional(revisionSpecThen) },
  { description: 'What each revision is made from.' },
);

const configured = {
  generation,
  build: Type.Optional(openObject('A build for each revision.')),
  revisionTemplate: Type.Optional(templateThen),
  template: Type.Optional(templateThen),
};

const targetThen = Type.Object(
  { ...trafficTarget.properties, name: Type.Optional(text('A name of its own: the tag of today.')) },
  { description: 'A share of the traffic.' },
);
const traffic = Type.Optional(Type.Array(targetThen, { description: 'Who gets which share.' }));
const configuration = Type.Optional(Type.Object(configured, { description: 'What runs.' }));

/** The spec of a Service: one of four ways, or the inlined form of later. */
export const serviceSpecThen = Type.Object(
  {
    ...configured,
    traffic,
    runLatest: Type.Optional(Type.Object({ configuration }, { description: 'All traffic to the latest.' })),
    pinned: Type.Optional(
      Type.Object(
        { revisionName: Type.Optional(text('Who gets all traffic.')), configuration },
        { description: 'All traffic to one revision.' },
      ),
    ),
    release: Type.Optional(
      Type.Object(
        {
          revisions: Type.Optional(
            Type.Array(Type.String(), { description: 'The current one and the candidate; @latest is one.' }),
          ),
          rolloutPercent: Type.Optional(int64('The share of the candidate, 0 to 99.')),
          configuration,
        },
        { description: 'Traffic shared by two revisions.' },
      ),
    ),
    manual: Type.Optional(openObject('Nothing is managed.')),
  },
  { description: 'What is desired.' },
);
export const configurationSpecThen = Type.Object(configured, { description: 'What is desired.' });
export const routeSpecThen = Type.Object({ generation, traffic }, { description: 'What is desired.' });

/** What a route told of itself in 2018, beside what it tells today. */
export const DOMAINS = {
  domain: Type.Optional(text('The host that it answers to.')),
  domainInternal: Type.Optional(text('The host that it answers to inside the cluster.')),
};

const address = Type.Optional(
  Type.Object(
    { url: Type.Optional(text('Where it answers.')), hostname: Type.Optional(text('The host of that.')) },
    { description: 'Where it answers inside the cluster.', 'x-kubernetes-preserve-unknown-fields': true },
  ),
);

/** The schema of a form: `spec` as given, `status` with what `more` adds to the common fields. */
export function formSchema(spec: TSchema, more: Readonly<Record<string, TSchema>>): TSchema {
  return Type.Object({
    spec: Type.Optional(spec),
    status: Type.Optional(Type.Object({ ...statusFields, ...more }, { description: 'What there is.' })),
  });
}

export const ROUTE_STATUS_THEN = {
  ...DOMAINS,
  address,
  traffic,
  url: Type.Optional(text('Where it answers.')),
};
