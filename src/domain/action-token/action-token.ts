// Single-use tokens: issued by an email or a login, each for one purpose.

/** What a token is valid for; it is valid for nothing else. */
export type ActionPurpose =
  | 'password_reset'
  | 'invitation'
  | 'email_verification'
  | 'email_change'
  | 'mfa_challenge';

/** What sets a password. One that is used ends both; a newer one ends those of its own kind: unauthenticated callers may ask for resets, not for invitations. */
export const PASSWORD_PURPOSES: readonly ActionPurpose[] = ['password_reset', 'invitation'];
/** What a session or a login may have begun. */
export const BEGUN_PURPOSES: readonly ActionPurpose[] = ['email_change', 'mfa_challenge'];
/** What leads into the account, or takes it over. */
export const ENTRY_PURPOSES: readonly ActionPurpose[] = [...PASSWORD_PURPOSES, ...BEGUN_PURPOSES];
/** What was mailed to the account's address. */
export const MAILED_PURPOSES: readonly ActionPurpose[] = [...PASSWORD_PURPOSES, 'email_verification'];

/** How long each lives, in milliseconds. */
export const ACTION_TOKEN_TTL_MS: Readonly<Record<ActionPurpose, number>> = {
  password_reset: 60 * 60_000,
  invitation: 7 * 24 * 60 * 60_000,
  email_verification: 24 * 60 * 60_000,
  email_change: 60 * 60_000,
  mfa_challenge: 5 * 60_000,
};

/** A token as it is kept. Times are epoch milliseconds. */
export type ActionToken = {
  readonly id: string;
  readonly purpose: ActionPurpose;
  readonly userId: string;
  /** SHA-256 of the secret part: the token itself is kept nowhere. */
  readonly digest: Uint8Array;
  /** What the act needs to know: the address to prove, what the login asked for. No secrets. */
  readonly payload: Readonly<Record<string, unknown>>;
  readonly createTime: number;
  readonly expireTime: number;
  /** When it was used, if its second use is to be distinguished from a forged token; undefined before, and for purposes that keep no used token. */
  readonly useTime?: number | undefined;
};

/** What a well-formed token says of itself; proves nothing yet. */
export type PresentedActionToken = { readonly id: string; readonly digest: Uint8Array };

/** Port: how tokens are written and read. Each purpose has a prefix of its own. */
export type ActionTokenCodec = {
  /** A new token for `id`: the text, issued once, and the digest to keep. */
  create(purpose: ActionPurpose, id: string): { readonly text: string; readonly digest: Uint8Array };
  /** Undefined for anything but a well-formed token of this purpose. */
  read(purpose: ActionPurpose, text: string): PresentedActionToken | undefined;
};

/** Port: where tokens are kept. */
export type ActionTokenStore = {
  insert(token: ActionToken): Promise<void>;
  /** The token with this id, purpose and digest, also when it has expired; undefined when there is none (any more). */
  find(purpose: ActionPurpose, presented: PresentedActionToken): Promise<ActionToken | undefined>;
  /** As `find`, and takes it away: of any number of calls at once, one gets it. */
  consume(purpose: ActionPurpose, presented: PresentedActionToken): Promise<ActionToken | undefined>;
  /** As `consume`, and keeps it as used, for `find` to report: of any number of calls at once, one gets it. */
  use(purpose: ActionPurpose, presented: PresentedActionToken, now: number): Promise<ActionToken | undefined>;
  /** Ends all tokens of these purposes that the user has, used ones too. */
  deleteAll(userId: string, purposes: readonly ActionPurpose[]): Promise<void>;
};
