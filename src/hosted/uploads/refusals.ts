import { RegistryError } from '../../oci/errors.ts';
import type { RefusalReason } from '../tools.ts';

/** Why something was refused; undefined when it failed otherwise. */
export function refusalOf(error: unknown): RefusalReason | undefined {
  if (!(error instanceof RegistryError)) return undefined;
  if (error.status === 507) return 'disk';
  return refusalsByCode[error.code];
}

const refusalsByCode: Partial<Record<RegistryError['code'], RefusalReason>> = {
  TOOMANYREQUESTS: 'count',
  SIZE_INVALID: 'size',
  DENIED: 'quota',
  DIGEST_INVALID: 'digest',
};

/** Whether going on with an upload cannot make it right. */
export function endsUpload(error: unknown): boolean {
  const reason = refusalOf(error);
  return reason === 'size' || reason === 'quota' || reason === 'digest';
}
