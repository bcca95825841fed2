// What proves in a request that its caller is the person.

import { GOOD_PASSWORD } from './service.ts';

/** The fields of a request that asks for a proof: the account's password. */
export function byPassword(value = GOOD_PASSWORD) {
  return { proof: { proof: { case: 'password', value } as const } };
}

/** As `byPassword`, by a code of the authenticator app. */
export function byTotp(value: string) {
  return { proof: { proof: { case: 'totpCode', value } as const } };
}
