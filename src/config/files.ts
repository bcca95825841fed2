// Reads the files that variables name: values, and the certificates and keys of TLS.

import { existsSync, readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { ConfigError, PREFIX } from './config-error.ts';

/** What both ports serve TLS with; undefined serves clear text. */
export type TlsMaterial =
  | { readonly cert: Buffer; readonly key: Buffer; readonly clientCa: Buffer | undefined }
  | undefined;

/** Reads the PEM files that the three variables name. Errors: ConfigError when only some are named, or one is not usable. */
export function readTls(
  certFile: string | undefined,
  keyFile: string | undefined,
  clientCaFile: string | undefined,
): TlsMaterial {
  if (certFile === undefined && keyFile === undefined) {
    if (clientCaFile !== undefined)
      throw new ConfigError(
        `${PREFIX}TLS_CLIENT_CA_FILE: needs ${PREFIX}TLS_CERT_FILE and ${PREFIX}TLS_KEY_FILE`,
      );
    return undefined;
  }
  if (certFile === undefined || keyFile === undefined) {
    throw new ConfigError(`${PREFIX}TLS_CERT_FILE and ${PREFIX}TLS_KEY_FILE: set both or neither`);
  }
  const cert = readBytes(`${PREFIX}TLS_CERT_FILE`, certFile);
  const key = readBytes(`${PREFIX}TLS_KEY_FILE`, keyFile);
  const clientCa =
    clientCaFile === undefined ? undefined : readBytes(`${PREFIX}TLS_CLIENT_CA_FILE`, clientCaFile);
  requireUsable(`${PREFIX}TLS_CERT_FILE and ${PREFIX}TLS_KEY_FILE`, { cert, key });
  if (clientCa !== undefined) requireUsable(`${PREFIX}TLS_CLIENT_CA_FILE`, { ca: clientCa });
  return { cert, key, clientCa };
}

function requireUsable(variables: string, material: Parameters<typeof createSecureContext>[0]): void {
  try {
    createSecureContext(material);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${variables}: not usable as PEM (${reason})`, { cause: error });
  }
}

function readBytes(variable: string, file: string): Buffer {
  if (!existsSync(file)) throw new ConfigError(`${variable}: there is no file ${file}`);
  try {
    return readFileSync(file);
  } catch (error) {
    throw new ConfigError(`${variable}: cannot read ${file}`, { cause: error });
  }
}

/** The trimmed text of the file that `variable` names. Errors: ConfigError. */
export function readText(variable: string, file: string): string {
  return readBytes(variable, file).toString().trim();
}
