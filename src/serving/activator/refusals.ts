import { PlatformError } from '../../base/errors.ts';
import type { RevisionPlan } from '../plan.ts';
import type { Trouble } from './trouble.ts';

export function gone({ key }: RevisionPlan): PlatformError {
  return new PlatformError('REVISION_GONE', `revision ${key} is gone`, { retryable: false });
}

export function cannotStart({ key }: RevisionPlan, { code, reason }: Trouble): PlatformError {
  return new PlatformError(code, `revision ${key} cannot start: ${reason}`, { retryable: true });
}
