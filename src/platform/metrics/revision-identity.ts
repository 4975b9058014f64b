import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS } from '../../apis/serving/types.ts';
import type { Informers } from '../../control/informer.ts';
import type { RevisionIdentity } from './identity.ts';

/** Whose a revision is. One whose object is gone, or that has no Service, is its Configuration's, else its own. */
export function revisionIdentities(informers: Informers): (key: string) => RevisionIdentity {
  return (key) => {
    const [namespace = '', revision = ''] = key.split('/');
    const labels = informers.of(KINDS.revision).get(key)?.metadata.labels ?? {};
    const configuration = labels[LABELS.configuration] ?? revision.replace(/-\d{5}$/, '');
    return { namespace, service: labels[LABELS.service] ?? configuration, configuration, revision };
  };
}

/** Whether there is such a revision. */
export function knownRevisions(informers: Informers): (key: string) => boolean {
  return (key) => informers.of(KINDS.revision).get(key) !== undefined;
}
