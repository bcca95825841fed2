// Keycloak: the users of a realm's export (`kc.sh export`, `.users[]`).

import { z } from 'zod';
import { firstText, NOBODY, phcBase64, readerOf, usernameIfTaken } from './mapping.ts';

const text = z.string().nullish();

const Credential = z.object({ type: z.string(), secretData: text, credentialData: text });

const User = z.object({
  id: z.string(),
  username: text,
  email: text,
  emailVerified: z.boolean().nullish(),
  enabled: z.boolean().nullish(),
  firstName: text,
  lastName: text,
  createdTimestamp: z.number().nullish(),
  serviceAccountClientId: text,
  credentials: z.array(Credential).nullish(),
});

// These two are JSON inside a text.
const Secret = z.object({ value: z.string(), salt: z.string() });
const Parameters = z.record(z.string(), z.array(z.string()));
const Method = z.object({
  algorithm: z.string(),
  hashIterations: z.number(),
  additionalParameters: Parameters.nullish(),
});

/** Reads a user of Keycloak. */
export const fromKeycloak = readerOf('id', User, (user) => {
  if ((user.serviceAccountClientId ?? '') !== '')
    return { field: 'serviceAccountClientId', description: 'is the account of a service, not of a person' };
  const password = user.credentials?.find(({ type }) => type === 'password');
  const passwordHash = password === undefined ? '' : hashOf(password);
  if (passwordHash === undefined)
    return { field: 'credentials', description: 'must hold passwords as Keycloak 4.6 and later export them' };
  return {
    ...NOBODY,
    externalId: user.id,
    email: user.email ?? '',
    emailVerified: user.emailVerified ?? false,
    username: usernameIfTaken(user.username),
    fullName: [firstText(user.firstName), firstText(user.lastName)].join(' '),
    // Keycloak takes one without it as disabled.
    suspended: user.enabled !== true,
    passwordHash,
    createTime: user.createdTimestamp ?? undefined,
  };
});

// Whatever is none of ours stays as its name, which the check of the account refuses.
function hashOf({ secretData, credentialData }: z.infer<typeof Credential>): string | undefined {
  const secret = Secret.safeParse(parse(secretData));
  const method = Method.safeParse(parse(credentialData));
  if (!secret.success || !method.success) return undefined;
  const { algorithm, hashIterations, additionalParameters } = method.data;
  const [salt, value] = [phcBase64(secret.data.salt), phcBase64(secret.data.value)];
  if (algorithm === 'argon2') return argon2(additionalParameters ?? {}, hashIterations, salt, value);
  const pbkdf2 = /^pbkdf2(?:-sha256|-sha512)?$/.exec(algorithm)?.[0];
  if (pbkdf2 === undefined) return algorithm;
  return `$${pbkdf2}$i=${hashIterations},l=${Buffer.from(value, 'base64').length}$${salt}$${value}`;
}

function argon2(parameters: z.infer<typeof Parameters>, passes: number, salt: string, value: string): string {
  const first = (name: string, fallback: string) => parameters[name]?.[0] ?? fallback;
  const version = first('version', '1.3') === '1.0' ? 16 : 19;
  const [memory, lanes] = [first('memory', '7168'), first('parallelism', '1')];
  return `$argon2${first('type', 'id')}$v=${version}$m=${memory},t=${passes},p=${lanes}$${salt}$${value}`;
}

function parse(json: string | null | undefined): unknown {
  try {
    return JSON.parse(json ?? 'null');
  } catch {
    return undefined;
  }
}
