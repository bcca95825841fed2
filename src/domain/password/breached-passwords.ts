// Port: passwords that are known from breaches of other services.

/** Answers whether a password is known. Never rejects: what cannot be asked now counts as unknown (fails open), for people must be able to go on. */
export type BreachedPasswords = { has(password: string): Promise<boolean> };

/** For where the check is off. */
export const breachCheckOff: BreachedPasswords = { has: async () => false };
