// What is allowed in a configuration and is hardly meant.

import { PREFIX } from './config-error.ts';
import { threadFault } from './threads.ts';

export type AdvisedConfig = {
  readonly PUBLIC_URL: string;
  readonly ISSUER: string;
  readonly HTTP_ADDRESS: string;
  readonly HASHING_SLOTS: number;
};

const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

/** A line for each thing that is hardly meant, none for most configurations. `environment` is that of the process. */
export function adviceOn(config: AdvisedConfig, environment: NodeJS.ProcessEnv): readonly string[] {
  const threads = threadFault(config.HASHING_SLOTS, environment);
  return [...portAdvice(config), ...issuerAdvice(config), ...(threads === undefined ? [] : [threads])];
}

function portAdvice({ PUBLIC_URL, HTTP_ADDRESS }: AdvisedConfig): readonly string[] {
  const url = new URL(PUBLIC_URL);
  const port = HTTP_ADDRESS.slice(HTTP_ADDRESS.lastIndexOf(':') + 1);
  const publicPort = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  if (!LOCAL_HOSTS.has(url.hostname) || port === '0' || Number(port) === Number(publicPort)) return [];
  return [
    `${PREFIX}PUBLIC_URL is ${PUBLIC_URL}, but HTTP listens on port ${port}: links in mail, metadata and the issuer of tokens lead to port ${publicPort}. Set ${PREFIX}PUBLIC_URL`,
  ];
}

function issuerAdvice({ PUBLIC_URL, ISSUER }: AdvisedConfig): readonly string[] {
  if (new URL(ISSUER).origin === new URL(PUBLIC_URL).origin) return [];
  return [
    `${PREFIX}ISSUER is ${ISSUER}, but ${PREFIX}PUBLIC_URL is ${PUBLIC_URL}: clients that look for metadata at the issuer ask another address. Leave ${PREFIX}ISSUER out, unless tokens of the former address must stay good`,
  ];
}
