import { isManual } from '../../legacy/serving/as-written.ts';
import type { AdmissionContext } from '../../kind.ts';
import { withTemplateDefaults } from '../configuration/defaults.ts';
import { withTrafficDefaults } from '../route/defaults.ts';
import type { Service } from '../types.ts';

/** serving pkg/apis/serving/v1/service_defaults.go. */
export function setServiceDefaults(service: Service, context: AdmissionContext): Service {
  if (isManual(service)) return service;
  const { metadata, spec } = service;
  const before = (context.old as Service | undefined)?.spec?.template;
  const template = withTemplateDefaults(spec?.template, before, context, metadata);
  const { traffic = [] } = spec ?? {};
  const shares =
    traffic.length === 0 ? [{ latestRevision: true, percent: 100 }] : withTrafficDefaults(traffic);
  return { ...service, spec: { ...spec, template, traffic: shares } };
}
