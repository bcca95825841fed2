// `latchkey audit verify`: whether the audit log is what was once written.

import type { Config } from '../config.ts';
import { ConfigError } from '../config.ts';
import { sealHash } from '../crypto/seal-hash.ts';
import type { ChainHead } from '../domain/audit/seal.ts';
import type { Fault, Verification } from '../domain/audit/verify-chain.ts';
import { verifyChain } from '../domain/audit/verify-chain.ts';
import { readChain } from '../storage/postgres/audit/chain-reader.ts';
import { withDatabase } from './open-database.ts';

const HEAD = /^(?<number>\d{1,15}):(?<hash>[0-9a-f]{64})$/;
// A long log takes its time: the bound for a service's statements is none for these.
const STATEMENT_MS = 6 * 3_600_000;

/** The head `<number>:<hash>` that an earlier run printed. Errors: ConfigError. */
export function readHead(text: string): ChainHead {
  const { number, hash } = HEAD.exec(text)?.groups ?? {};
  if (number === undefined || hash === undefined)
    throw new ConfigError(`--expect: ${text} is no head; it is printed by an earlier run, like 42:9f86d0…`);
  return { number: Number(number), hash: new Uint8Array(Buffer.from(hash, 'hex')) };
}

/** Verifies the log and prints the outcome. Resolves to whether all is well. Errors: ConfigError, WrongMasterKeyError, the driver's. */
export async function verifyAudit(config: Config, expected: ChainHead | undefined): Promise<boolean> {
  let isWhole = false;
  const patient = { ...config, DATABASE_POOL_SIZE: 2, DATABASE_TIMEOUT: STATEMENT_MS };
  await withDatabase(patient, async ({ database, secrets }) => {
    const verification = await readChain(database.tables, (chain) =>
      verifyChain({ chain, sealHash: sealHash(secrets['audit-chain']) }, expected),
    );
    console.log(report(verification).join('\n'));
    isWhole = verification.faultCount === 0;
  });
  return isWhole;
}

function report(verification: Verification): string[] {
  const { good, retired, queued, begin, head, earliest, latest, faults, faultCount } = verification;
  const span = earliest === undefined ? '' : `, from ${earliest} to ${latest}`;
  const lines = [`${good} events are as they were sealed${span}.`];
  if (begin > 0) lines.push(`The events up to number ${begin} are retired.`);
  if (retired > 0) lines.push(`${retired} events behind it are retired.`);
  if (queued > 0) lines.push(`${queued} events wait to be sealed.`);
  lines.push(`head ${head.number}:${Buffer.from(head.hash).toString('hex')}`);
  if (faultCount === 0) return [...lines, 'The audit log is whole.'];
  const unnamed = faultCount - faults.length;
  return [
    ...lines,
    ...faults.map(describe),
    ...(unnamed > 0 ? [`and ${unnamed} more`] : []),
    `The audit log is NOT whole: ${faultCount} ${faultCount === 1 ? 'fault' : 'faults'}.`,
  ];
}

function describe({ number, eventId, what }: Fault): string {
  const subject = [
    number === undefined ? '' : `number ${number}`,
    eventId === undefined ? '' : `event ${eventId}`,
  ];
  return [...subject, what].filter((part) => part !== '').join(' ');
}
