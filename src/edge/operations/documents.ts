// What anyone may read by a plain GET: liveness, readiness, the key set, and the metadata of the authorization server.

import type { Readiness } from '../../domain/health/readiness.ts';
import type { PublicJwk } from '../../domain/keyset/signing-key.ts';
import { JWKS_CACHE_MS } from '../../domain/keyset/signing-key.ts';
import type { Operation } from '../pipeline/operation.ts';
import type { OAuthMetadataDeps } from './oauth/metadata.ts';
import { JWKS_PATH, oauthMetadata, oauthMetadataPaths } from './oauth/metadata.ts';

/** A document as it is read over HTTP. */
export type Document = {
  readonly status: 200 | 503;
  readonly body: object;
  readonly type: string;
  /** How long any cache may keep it and any origin may read it, in seconds; undefined for what is not stored. */
  readonly maxAgeSeconds: number | undefined;
};

export type DocumentDeps = OAuthMetadataDeps & {
  readonly readiness: () => Readiness;
  readonly keyset: { publicKeys(): readonly PublicJwk[] };
};

const JSON_TYPE = 'application/json';
const METADATA_MAX_AGE_S = 3_600;

/** The operation of each document; its name is its path. */
export function documentOperations(deps: DocumentDeps): ReadonlyArray<Operation<undefined, Document>> {
  const metadata = published(oauthMetadata(deps), JSON_TYPE, METADATA_MAX_AGE_S);
  return [
    ...[...healthDocuments(deps.readiness)].map(([path, read]) => document(path, read)),
    document(JWKS_PATH, () =>
      published({ keys: deps.keyset.publicKeys() }, 'application/jwk-set+json', JWKS_CACHE_MS / 1000),
    ),
    ...oauthMetadataPaths(deps.issuer).map((path) => document(path, () => metadata)),
  ];
}

/** Liveness and readiness, by path. */
export function healthDocuments(readiness: () => Readiness): ReadonlyMap<string, () => Document> {
  return new Map([
    ['/healthz', () => unstored(200, { status: 'alive' })],
    [
      '/readyz',
      () => {
        const state = readiness();
        return unstored(state.status === 'unavailable' ? 503 : 200, state);
      },
    ],
  ]);
}

function document(path: string, read: () => Document): Operation<undefined, Document> {
  return { name: path, access: { mode: 'public' }, run: read };
}

function unstored(status: Document['status'], body: object): Document {
  return { status, body, type: JSON_TYPE, maxAgeSeconds: undefined };
}

function published(body: object, type: string, maxAgeSeconds: number): Document {
  return { status: 200, body, type, maxAgeSeconds };
}
