import type { Told } from '../../../control/reconciler.ts';

export const normal = (reason: string, message: string): Told => ({ type: 'Normal', reason, message });
export const warning = (reason: string, message: string): Told => ({ type: 'Warning', reason, message });
