/** One field of a message of Kubernetes' protobuf, and how JSON has it; a message without a name is inlined there. */
export type Field = {
  readonly name: string;
  readonly as:
    | 'text'
    | 'bytes'
    | 'number'
    | 'pointer' // a number that may be zero
    | 'boolean'
    | 'flag' // one that JSON leaves out when it is false
    | 'textMap'
    | 'bytesMap'
    | 'quantity'
    | 'quantityMap'
    | 'intOrString'
    | Message;
  readonly isList?: boolean;
};
export type Message = Readonly<Record<number, Field>>;

// As tables of k8s.io/api's generated.proto files; what stands in none of them is passed over.

export const text = (name: string, isList = false): Field => ({ name, as: 'text', isList });
const number = (name: string): Field => ({ name, as: 'number' });
const pointer = (name: string): Field => ({ name, as: 'pointer' });
const flag = (name: string): Field => ({ name, as: 'flag' });
const boolean = (name: string): Field => ({ name, as: 'boolean' });
const one = (name: string, as: Message): Field => ({ name, as });
const many = (name: string, as: Message): Field => ({ name, as, isList: true });

const OWNER: Message = {
  1: text('kind'),
  3: text('name'),
  4: text('uid'),
  5: text('apiVersion'),
  6: boolean('controller'),
  7: boolean('blockOwnerDeletion'),
};
const METADATA = one('metadata', {
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  11: { name: 'labels', as: 'textMap' },
  12: { name: 'annotations', as: 'textMap' },
  13: many('ownerReferences', OWNER),
  14: text('finalizers', true),
});
const REFERENCE: Message = {
  1: text('kind'),
  2: text('namespace'),
  3: text('name'),
  4: text('uid'),
  5: text('apiVersion'),
};
const SELECTOR: Message = {
  1: { name: 'matchLabels', as: 'textMap' },
  2: many('matchExpressions', { 1: text('key'), 2: text('operator'), 3: text('values', true) }),
};

const NAMED = one('', { 1: text('name') });
const KEY: Message = { 1: NAMED, 2: text('key'), 3: boolean('optional') };
const ENV: Message = {
  1: text('name'),
  2: text('value'),
  3: one('valueFrom', {
    1: one('fieldRef', { 1: text('apiVersion'), 2: text('fieldPath') }),
    2: one('resourceFieldRef', {
      1: text('containerName'),
      2: text('resource'),
      3: { name: 'divisor', as: 'quantity' },
    }),
    3: one('configMapKeyRef', KEY),
    4: one('secretKeyRef', KEY),
  }),
};
const ENV_FROM: Message = {
  1: text('prefix'),
  2: one('configMapRef', { 1: NAMED, 2: boolean('optional') }),
  3: one('secretRef', { 1: NAMED, 2: boolean('optional') }),
};
const PORT: Field = { name: 'port', as: 'intOrString' };
const PROBE: Message = {
  1: one('', {
    1: one('exec', { 1: text('command', true) }),
    2: one('httpGet', {
      1: text('path'),
      2: PORT,
      3: text('host'),
      4: text('scheme'),
      5: many('httpHeaders', { 1: text('name'), 2: text('value') }),
    }),
    3: one('tcpSocket', { 1: PORT, 2: text('host') }),
    4: one('grpc', { 1: number('port'), 2: text('service') }),
  }),
  2: number('initialDelaySeconds'),
  3: number('timeoutSeconds'),
  4: number('periodSeconds'),
  5: number('successThreshold'),
  6: number('failureThreshold'),
};
const SECURITY: Message = {
  4: pointer('runAsUser'),
  5: boolean('runAsNonRoot'),
  6: boolean('readOnlyRootFilesystem'),
  7: boolean('allowPrivilegeEscalation'),
  8: pointer('runAsGroup'),
};
const CONTAINER: Message = {
  1: text('name'),
  2: text('image'),
  3: text('command', true),
  4: text('args', true),
  5: text('workingDir'),
  6: many('ports', {
    1: text('name'),
    2: number('hostPort'),
    3: number('containerPort'),
    4: text('protocol'),
  }),
  7: many('env', ENV),
  8: one('resources', {
    1: { name: 'limits', as: 'quantityMap' },
    2: { name: 'requests', as: 'quantityMap' },
  }),
  9: many('volumeMounts', { 1: text('name'), 2: flag('readOnly'), 3: text('mountPath'), 4: text('subPath') }),
  10: one('livenessProbe', PROBE),
  11: one('readinessProbe', PROBE),
  13: text('terminationMessagePath'),
  14: text('imagePullPolicy'),
  15: one('securityContext', SECURITY),
  16: flag('stdin'),
  17: flag('stdinOnce'),
  18: flag('tty'),
  19: many('envFrom', ENV_FROM),
  20: text('terminationMessagePolicy'),
  22: one('startupProbe', PROBE),
};
const ITEMS = many('items', { 1: text('key'), 2: text('path'), 3: pointer('mode') });
const VOLUME: Message = {
  1: text('name'),
  2: one('', {
    2: one('emptyDir', { 1: text('medium'), 2: { name: 'sizeLimit', as: 'quantity' } }),
    6: one('secret', { 1: text('secretName'), 2: ITEMS, 3: pointer('defaultMode'), 4: boolean('optional') }),
    10: one('persistentVolumeClaim', { 1: text('claimName'), 2: flag('readOnly') }),
    19: one('configMap', { 1: NAMED, 2: ITEMS, 3: pointer('defaultMode'), 4: boolean('optional') }),
  }),
};
const TEMPLATE = one('template', {
  1: METADATA,
  2: one('spec', {
    1: many('volumes', VOLUME),
    2: many('containers', CONTAINER),
    3: text('restartPolicy'),
    4: pointer('terminationGracePeriodSeconds'),
    5: pointer('activeDeadlineSeconds'),
    6: text('dnsPolicy'),
    7: { name: 'nodeSelector', as: 'textMap' },
    8: text('serviceAccountName'),
    9: text('serviceAccount'),
    10: text('nodeName'),
    11: flag('hostNetwork'),
    14: one('securityContext', {
      2: pointer('runAsUser'),
      3: boolean('runAsNonRoot'),
      6: pointer('runAsGroup'),
    }),
    15: many('imagePullSecrets', { 1: text('name') }),
    19: text('schedulerName'),
    20: many('initContainers', CONTAINER),
  }),
});

const JOB_SPEC = one('spec', {
  1: pointer('parallelism'),
  2: pointer('completions'),
  3: pointer('activeDeadlineSeconds'),
  4: one('selector', SELECTOR),
  5: boolean('manualSelector'),
  6: TEMPLATE,
  7: pointer('backoffLimit'),
  8: pointer('ttlSecondsAfterFinished'),
  9: text('completionMode'),
  10: boolean('suspend'),
  14: text('podReplacementPolicy'),
});

export const KINDS: Readonly<Record<string, Message>> = {
  // autoscaling/v1, which `kubectl autoscale` sends.
  HorizontalPodAutoscaler: {
    1: METADATA,
    2: one('spec', {
      1: one('scaleTargetRef', { 1: text('kind'), 2: text('name'), 3: text('apiVersion') }),
      2: pointer('minReplicas'),
      3: number('maxReplicas'),
      4: pointer('targetCPUUtilizationPercentage'),
    }),
  },
  DeleteOptions: {
    1: pointer('gracePeriodSeconds'),
    2: one('preconditions', { 1: text('uid'), 2: text('resourceVersion') }),
    3: boolean('orphanDependents'),
    4: text('propagationPolicy'),
    5: text('dryRun', true),
  },
  Namespace: { 1: METADATA, 2: one('spec', { 1: text('finalizers', true) }) },
  ConfigMap: {
    1: METADATA,
    2: { name: 'data', as: 'textMap' },
    3: { name: 'binaryData', as: 'bytesMap' },
    4: boolean('immutable'),
  },
  Secret: {
    1: METADATA,
    2: { name: 'data', as: 'bytesMap' },
    3: text('type'),
    4: { name: 'stringData', as: 'textMap' },
    5: boolean('immutable'),
  },
  ServiceAccount: {
    1: METADATA,
    2: many('secrets', REFERENCE),
    3: many('imagePullSecrets', { 1: text('name') }),
    4: boolean('automountServiceAccountToken'),
  },
  TokenRequest: {
    1: METADATA,
    2: one('spec', {
      1: text('audiences', true),
      3: one('boundObjectRef', { 1: text('kind'), 2: text('apiVersion'), 3: text('name'), 4: text('uid') }),
      4: pointer('expirationSeconds'),
    }),
  },
  Deployment: {
    1: METADATA,
    2: one('spec', {
      1: pointer('replicas'),
      2: one('selector', SELECTOR),
      3: TEMPLATE,
      4: one('strategy', {
        1: text('type'),
        2: one('rollingUpdate', {
          1: { name: 'maxUnavailable', as: 'intOrString' },
          2: { name: 'maxSurge', as: 'intOrString' },
        }),
      }),
      5: number('minReadySeconds'),
      6: pointer('revisionHistoryLimit'),
      7: flag('paused'),
      9: pointer('progressDeadlineSeconds'),
    }),
  },
  Job: { 1: METADATA, 2: JOB_SPEC },
  CronJob: {
    1: METADATA,
    2: one('spec', {
      1: text('schedule'),
      2: pointer('startingDeadlineSeconds'),
      3: text('concurrencyPolicy'),
      4: boolean('suspend'),
      5: one('jobTemplate', { 1: METADATA, 2: JOB_SPEC }),
      6: pointer('successfulJobsHistoryLimit'),
      7: pointer('failedJobsHistoryLimit'),
      8: text('timeZone'),
    }),
  },
  Service: {
    1: METADATA,
    2: one('spec', {
      1: many('ports', {
        1: text('name'),
        2: text('protocol'),
        3: number('port'),
        4: { name: 'targetPort', as: 'intOrString' },
        5: number('nodePort'),
        6: text('appProtocol'),
      }),
      2: { name: 'selector', as: 'textMap' },
      3: text('clusterIP'),
      4: text('type'),
      7: text('sessionAffinity'),
      10: text('externalName'),
    }),
  },
};
