// Reading what proves a person: passwords and codes, where a request takes one of several.

import type { PersonProof, ProvenInput } from '../../domain/mfa/prove-person.ts';
import type { TypedFactor } from '../../domain/mfa/match-factor.ts';
import { readBackupCode, readTotpCode } from '../../domain/mfa/typed-code.ts';
import { DomainError } from '../../domain/errors.ts';
import type { PersonProof as PersonProofMessage } from '../../../gen/latchkey/v1/user_service_pb.ts';
import type { Call } from '../pipeline/call.ts';
import { RequestReader } from '../messages/decode.ts';

type FactorField =
  | { readonly case: 'totpCode'; readonly value: string }
  | { readonly case: 'backupCode'; readonly value: string };

/** A code of a second factor; `path` is where its field stands. */
export function readFactor(reader: RequestReader, factor: FactorField, path = ''): TypedFactor {
  return factor.case === 'backupCode'
    ? { kind: 'backup_code', code: readBackupCode(reader, `${path}backup_code`, factor.value) }
    : { kind: 'totp', code: readTotpCode(reader, `${path}totp_code`, factor.value) };
}

/** The required `proof` of a request. */
function readProof(reader: RequestReader, message: PersonProofMessage | undefined): PersonProof {
  const proof = message?.proof;
  if (proof?.case === undefined) {
    reader.add('proof', 'is required: password, totp_code or backup_code');
    return { kind: 'password', password: '' };
  }
  if (proof.case !== 'password') return readFactor(reader, proof, 'proof.');
  return { kind: 'password', password: reader.currentPassword('proof.password', proof.value) };
}

/** The caller with the calling session. Errors: CREDENTIAL_NOT_ALLOWED for a credential without one. */
export function sessionOf(call: Call): { readonly userId: string; readonly sessionId: string } {
  const { subjectId: userId, sessionId, authTime } = call.requirePrincipal();
  if (sessionId !== undefined && authTime !== undefined) return { userId, sessionId };
  throw new DomainError('CREDENTIAL_NOT_ALLOWED', 'Only a person who has logged in can make this call.', {
    metadata: { allowed: 'access_token session_cookie' },
  });
}

/** The caller with the required `proof` of a request, whose other fields `reader` has read. Errors: CREDENTIAL_NOT_ALLOWED, VALIDATION_FAILED. */
export function provenCaller(
  request: { readonly proof?: PersonProofMessage | undefined },
  call: Call,
  reader = new RequestReader(),
): ProvenInput {
  const caller = sessionOf(call);
  const proof = readProof(reader, request.proof);
  reader.finish();
  return { ...caller, proof, origin: call.origin, signal: call.signal };
}
