// Revocations as the packed table holds them, and back.

import type { Entry } from '../../revocation-table/revocation-table.ts';
import { AT_ONCE, FORMS } from '../../revocation-table/revocation-table.ts';
import type { Revocation } from './revocation.ts';

/** The entry of a revocation. */
export function toEntry(revocation: Revocation): Entry {
  const { form, id, revokeTime, expireTime } = revocation;
  return { form: FORMS[form], id, revokeTime, expireTime, value: valueOf(revocation) };
}

/** The revocation of an entry. */
export function fromEntry({ form, id, revokeTime, expireTime, value }: Entry): Revocation {
  if (form === FORMS.token) return { form: 'token', id, revokeTime, expireTime };
  if (form === FORMS.subject) return { form: 'subject', id, minVersion: value, revokeTime, expireTime };
  const isAtOnce = value === AT_ONCE;
  return { form: 'session', id, ...(isAtOnce ? {} : { effectTime: value }), revokeTime, expireTime };
}

function valueOf(revocation: Revocation): number {
  if (revocation.form === 'subject') return revocation.minVersion;
  return revocation.form === 'session' ? (revocation.effectTime ?? AT_ONCE) : 0;
}
