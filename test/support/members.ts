// People with roles, for tests of what each may do.

import { bearer, GOOD_PASSWORD, signIn, signUp } from './service.ts';
import type { TestService } from './service.ts';

/** Somebody who is logged in. */
export type Member = {
  readonly id: string;
  readonly email: string;
  readonly role: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  /** Call options that carry the access token. */
  readonly options: ReturnType<typeof bearer>;
};

/** Registers a user, gives them the role behind the service's back, and logs them in. */
export async function member(service: TestService, name: string, role = 'user'): Promise<Member> {
  const email = `${name}@example.com`;
  await signUp(service, name);
  const row = await service.app.database.tables
    .updateTable('users')
    .set({ role })
    .where('email', '=', email)
    .returning('id')
    .executeTakeFirstOrThrow();
  const { accessToken, refreshToken } = await signIn(service, email);
  return { id: row.id, email, role, accessToken, refreshToken, options: bearer(accessToken) };
}

/** The first start's administrator, a super_admin, logged in. */
export async function firstAdministrator(service: TestService): Promise<Member> {
  const { adminEmail = '', adminPassword = GOOD_PASSWORD } = service.secrets ?? {};
  const { outcome } = await service.auth().login({ identifier: adminEmail, password: adminPassword });
  if (outcome.case !== 'tokens') throw new Error(`login answered ${outcome.case ?? 'nothing'}`);
  const { accessToken, refreshToken } = outcome.value;
  const { user } = await service.user().getMe({}, bearer(accessToken));
  return {
    id: user?.id ?? '',
    email: adminEmail,
    role: 'super_admin',
    accessToken,
    refreshToken,
    options: bearer(accessToken),
  };
}
