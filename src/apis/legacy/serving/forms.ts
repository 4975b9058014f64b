import { isDeepStrictEqual } from 'node:util';
import Type, { type TSchema } from 'typebox';
import { below } from '../../field-error.ts';
import type { FieldError, PrinterColumn, VersionForm } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { text } from '../../schema.ts';
import { READY_COLUMNS } from '../../serving/shared.ts';
import type { Configuration, Revision, Route, Service } from '../../serving/types.ts';
import { AS_WRITTEN, withoutWritten, withWritten, writtenSpec } from './as-written.ts';
import {
  configurationSpecNow,
  configurationSpecThen,
  revisionSpecNow,
  revisionSpecThen,
  serviceSpecNow,
  serviceSpecThen,
  servingStateOf,
  trafficNow,
  trafficThen,
} from './convert.ts';
import {
  configurationSpecThen as configurationSchema,
  DOMAINS,
  formSchema,
  revisionSpecThen as revisionSchema,
  ROUTE_STATUS_THEN,
  routeSpecThen,
  serviceSpecThen as serviceSchema,
} from './schemas.ts';
import {
  revisionStatusNow,
  revisionStatusThen,
  routeStatusNow,
  routeStatusThen,
  withDomains,
  withoutDomains,
} from './status.ts';
import type { ConfigurationSpecThen, RevisionSpecThen, RouteThen, ServiceSpecThen } from './types.ts';
import {
  configurationErrorsThen,
  revisionErrorsThen,
  serviceErrorsThen,
  trafficErrorsThen,
} from './validate.ts';

type Forms<R extends Resource> = Readonly<Record<string, VersionForm<R>>>;
type Fields = Readonly<Record<string, TSchema>>;
type Stored = Resource & { readonly spec?: object | undefined; readonly status?: object | undefined };

/** How one kind of today was written in v1alpha1. */
type Then<Now extends Stored, Spec extends object> = {
  readonly schema: TSchema;
  readonly columns: readonly PrinterColumn[];
  readonly specNow: (spec: Spec) => Now['spec'];
  readonly specThen: (object: Now) => Spec;
  readonly statusNow?: (status: object) => object;
  readonly statusThen?: (object: Now) => object;
  readonly validate: (spec: Spec | undefined) => readonly FieldError[];
};

/** The form of 2018: what its client wrote as it wrote it, and what others wrote as it would have written it. */
function formThen<Now extends Stored, Spec extends object>(then: Then<Now, Spec>): VersionForm<Now> {
  const { schema, columns, specNow, specThen, statusNow, statusThen, validate } = then;
  const fromStored = (object: Now): Resource => {
    const { status } = object;
    return {
      ...withoutWritten(object),
      spec: specThen(object),
      ...(status !== undefined && { status: statusThen?.(object) ?? status }),
    };
  };
  return {
    schema,
    columns,
    fromStored,
    toStored(object, stored) {
      const { spec, status } = object as { readonly spec?: Spec; readonly status?: object }; // by its schema
      const now = { ...object, ...(status !== undefined && { status: statusNow?.(status) ?? status }) };
      if (stored !== undefined && isDeepStrictEqual(specThen(stored), spec))
        return keptSpec(now as Now, stored);
      return withWritten({ ...now, spec: specNow(spec ?? ({} as Spec)) } as Now, spec ?? {});
    },
    validate: (object) => below('spec', validate(Reflect.get(object, 'spec') as Spec | undefined)),
  };
}

/** The client has left the spec alone: what is kept of it stays as it is, defaults and all. */
function keptSpec<Now extends Stored>(object: Now, stored: Now): Now {
  const written = stored.metadata.annotations?.[AS_WRITTEN];
  const annotations = {
    ...object.metadata.annotations,
    ...(written !== undefined && { [AS_WRITTEN]: written }),
  };
  const hasAny = Object.keys(annotations).length > 0;
  const metadata = hasAny ? { ...object.metadata, annotations } : object.metadata;
  return { ...object, metadata, spec: stored.spec };
}

/** The form of today, with the domains that clients of 2018 look for, whatever version they get (issue 6, item 7). */
function formNow<R extends Stored>(schema: TSchema, columns: readonly PrinterColumn[]): VersionForm<R> {
  return {
    schema,
    columns,
    fromStored: ({ status, ...object }) =>
      ({ ...object, ...(status !== undefined && { status: withDomains(status) }) }) as R,
    toStored(shown) {
      const { status, ...object } = shown as R;
      return { ...object, ...(status !== undefined && { status: withoutDomains(status) }) } as R;
    },
  };
}

const column = (name: string, from: string): PrinterColumn => ({ name, type: 'string', from });
const NAMES_THEN = [
  column('LatestCreated', '.status.latestCreatedRevisionName'),
  column('LatestReady', '.status.latestReadyRevisionName'),
];
const DOMAIN = column('Domain', '.status.domain');

type FormOfNow = {
  readonly spec: TSchema;
  readonly status: Fields;
  readonly columns: readonly PrinterColumn[];
};

export function serviceForms({ spec, status, columns }: FormOfNow): Forms<Service> {
  return {
    v1: formNow(formSchema(spec, { ...status, ...DOMAINS }), columns),
    v1alpha1: formThen<Service, ServiceSpecThen>({
      schema: formSchema(serviceSchema, { ...status, ...ROUTE_STATUS_THEN }),
      columns: [DOMAIN, ...NAMES_THEN, ...READY_COLUMNS],
      specNow: serviceSpecNow,
      specThen: (service) =>
        (writtenSpec(service) as ServiceSpecThen | undefined) ?? serviceSpecThen(service.spec),
      statusNow: routeStatusNow,
      statusThen: ({ status: shown }) => routeStatusThen(shown ?? {}),
      validate: serviceErrorsThen,
    }),
  };
}

export function routeForms({ spec, status, columns }: FormOfNow): Forms<Route> {
  type Spec = NonNullable<RouteThen['spec']>;
  return {
    v1: formNow(formSchema(spec, { ...status, ...DOMAINS }), columns),
    v1alpha1: formThen<Route, Spec>({
      schema: formSchema(routeSpecThen, { ...status, ...ROUTE_STATUS_THEN }),
      columns: [DOMAIN, ...READY_COLUMNS],
      specNow: ({ traffic = [] }) => ({ traffic: trafficNow(traffic) }),
      specThen: (route) =>
        (writtenSpec(route) as Spec | undefined) ?? { traffic: trafficThen(route.spec.traffic ?? []) },
      statusNow: routeStatusNow,
      statusThen: ({ status: shown }) => routeStatusThen(shown ?? {}),
      validate: (written) => trafficErrorsThen(written?.traffic ?? []),
    }),
  };
}

export function configurationForms({ status, columns }: Omit<FormOfNow, 'spec'>): Forms<Configuration> {
  return {
    v1alpha1: formThen<Configuration, ConfigurationSpecThen>({
      schema: formSchema(configurationSchema, status),
      columns,
      specNow: configurationSpecNow,
      specThen: (configuration) =>
        (writtenSpec(configuration) as ConfigurationSpecThen | undefined) ??
        configurationSpecThen(configuration.spec),
      validate: configurationErrorsThen,
    }),
  };
}

export function revisionForms({ status }: Pick<FormOfNow, 'status'>): Forms<Revision> {
  const more = {
    serviceName: Type.Optional(text('The Service that leads to it.')),
    imageDigest: Type.Optional(text('What its image was resolved to.')),
  };
  return {
    v1alpha1: formThen<Revision, RevisionSpecThen>({
      schema: formSchema(revisionSchema, { ...status, ...more }),
      columns: [column('Service Name', '.status.serviceName'), ...READY_COLUMNS],
      specNow: revisionSpecNow,
      specThen: (revision) => ({
        ...((writtenSpec(revision) as RevisionSpecThen | undefined) ?? revisionSpecThen(revision.spec)),
        servingState: servingStateOf(revision),
      }),
      statusNow: revisionStatusNow,
      statusThen: revisionStatusThen,
      validate: revisionErrorsThen,
    }),
  };
}
