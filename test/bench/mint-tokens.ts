// Makes many access tokens inside the process of the server, by its own signer, for people who have logged in.

import { writeFileSync } from 'node:fs';
import type { AccessTokenClaims } from '../../src/domain/token/access-token.ts';
import type { TestService } from '../support/service.ts';
import { signUp } from '../support/service.ts';
import { inParallel } from './load.ts';

const AT_ONCE = 64;

/** Writes the tokens into `file`, one a line, of each person in turn. Resolves to how many. */
export async function mintTokens(
  service: TestService,
  {
    tokens: total,
    people,
    file,
  }: { readonly tokens: number; readonly people: number; readonly file: string },
): Promise<number> {
  const holders: AccessTokenClaims[] = [];
  await inParallel(people, AT_ONCE, async (index) => {
    const { accessToken } = await signUp(service, `minted${index}`);
    const verified = await service.app.accessTokenVerifier.verify(accessToken);
    if ('claims' in verified) holders.push(verified.claims);
  });
  const tokens: string[] = [];
  await inParallel(total, AT_ONCE, async (index) => {
    const holder = holders[index % holders.length];
    if (holder === undefined) throw new Error('nobody has logged in');
    tokens.push(await service.app.accessTokenSigner.sign({ ...holder, tokenId: service.app.newId() }));
  });
  writeFileSync(file, tokens.join('\n'));
  return tokens.length;
}
