import type { SinkBinding } from './schema.ts';

export function setSinkBindingDefaults(binding: SinkBinding): SinkBinding {
  const { subject } = binding.spec;
  const { namespace } = binding.metadata;
  if (subject === undefined || subject.namespace || namespace === undefined) return binding;
  return { ...binding, spec: { ...binding.spec, subject: { ...subject, namespace } } };
}
