#!/usr/bin/env bash
# jose does not match a key set that says Ed25519 with a token that says EdDSA, although both name the same signature.
#
# Versions:  jose 6.2.17 on Node 20 and 26, 2026-11-27.
# Expected:  RFC 9864 registers "Ed25519" as the fully specified name of what RFC 8037 calls "EdDSA" with an Ed25519 key. An issuer that moves the `alg`
#            of its published keys to the new name is expected to stay readable for its old tokens.
# Behaviour: the names are compared as text. A JWK with alg "Ed25519" is passed over for an EdDSA token (ERR_JWKS_NO_MATCHING_KEY), and
#            `algorithms: ['Ed25519']` refuses it (ERR_JOSE_ALG_NOT_ALLOWED). A JWK without alg matches.
# Matters:   an issuer changes the name in tokens and key set together, or leaves `alg` out of the key set; a verifier lists both names.
# Seen:
#   jwk without alg: verified
#   jwk alg EdDSA: verified
#   jwk alg Ed25519: ERR_JWKS_NO_MATCHING_KEY
#   algorithms [Ed25519]: ERR_JOSE_ALG_NOT_ALLOWED
#   algorithms [EdDSA, Ed25519]: verified
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact jose@6.2.17

cat >probe.mjs <<'PROBE'
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';

const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true });
const jwk = await exportJWK(publicKey);
const token = await new SignJWT({}).setProtectedHeader({ alg: 'EdDSA' }).sign(privateKey);
const verdict = (verification) => verification.then(() => 'verified', (error) => error.code);
const bySet = (members) => verdict(jwtVerify(token, createLocalJWKSet({ keys: [{ ...jwk, ...members }] })));
const byList = (algorithms) => verdict(jwtVerify(token, publicKey, { algorithms }));

console.log('jwk without alg:', await bySet({}));
console.log('jwk alg EdDSA:', await bySet({ alg: 'EdDSA' }));
console.log('jwk alg Ed25519:', await bySet({ alg: 'Ed25519' }));
console.log('algorithms [Ed25519]:', await byList(['Ed25519']));
console.log('algorithms [EdDSA, Ed25519]:', await byList(['EdDSA', 'Ed25519']));
PROBE

diff - <(node probe.mjs) <<'SEEN' || exit 1
jwk without alg: verified
jwk alg EdDSA: verified
jwk alg Ed25519: ERR_JWKS_NO_MATCHING_KEY
algorithms [Ed25519]: ERR_JOSE_ALG_NOT_ALLOWED
algorithms [EdDSA, Ed25519]: verified
SEEN
echo 'unchanged: jose compares EdDSA and Ed25519 as text'
