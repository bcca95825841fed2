// Who a good credential speaks for, and what it may do now.

export type CredentialKind = 'access_token' | 'api_key' | 'session_cookie';

export type Principal = {
  readonly subjectId: string;
  readonly kind: 'user' | 'service';
  /** Empty for a service. */
  readonly role: string;
  /** Carried by the credential and still granted. */
  readonly scopes: readonly string[];
  /** The key's id for a token that was exchanged for an API key. */
  readonly sessionId: string | undefined;
  readonly credential: CredentialKind;
  /** The `jti` of a token, the id of an API key or of a cookie's session. */
  readonly credentialId: string;
  /** When the person last proved who they are, epoch milliseconds. */
  readonly authTime: number | undefined;
  /** RFC 8176. */
  readonly amr: readonly string[];
  /** The subject's epoch that the credential was made, or last read, under. */
  readonly version: number;
  /** Of an API key: raised when it is narrowed. */
  readonly keyVersion?: number;
  /** Undefined when the credential does not expire. */
  readonly expiresAt: number | undefined;
  /** Whether the credential is valid from some addresses only: then a verdict on it is no verdict on the next call. */
  readonly isNetworkBound: boolean;
};

/** The id of the API key behind the credential: the key itself, or the one that a token was exchanged for; undefined for a person who has logged in. */
export function keyBehind({ credential, credentialId, sessionId, authTime }: Principal): string | undefined {
  if (credential === 'api_key') return credentialId;
  return authTime === undefined ? sessionId : undefined;
}
