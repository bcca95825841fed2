// The command line as a person meets it, and the variables that it refuses.

import { mkdir, writeFile } from 'node:fs/promises';
import { adviceOn } from '../../src/config/advice.ts';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError, readConfig, unknownVariables } from '../../src/config.ts';
import { runLatchkey, temporaryFolder } from '../support/child-service.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder.remove());

async function run(args: readonly string[], variables: Record<string, string> = {}) {
  const child = runLatchkey(folder.path, args, variables);
  const code = await child.exit;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

/** What is said of these variables; undefined when they are taken. */
function faultOf(variables: Record<string, string>): string | undefined {
  try {
    readConfig(variables);
    return undefined;
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
}

describe('latchkey', () => {
  it('--help names every command', async () => {
    const { code, stdout } = await run(['--help']);
    expect(code).toBe(0);
    for (const command of ['serve', 'migrate', 'bootstrap', 'user']) expect(stdout).toContain(command);
  });

  it('starts where compiled code cannot be kept', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, '');
    const { code, stderr } = await run(['--version'], { NODE_COMPILE_CACHE: join(file, 'below') });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('says its version', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, stdout: '0.1.0\n' });
  });

  it.each([
    ['no-such-command'],
    ['serve', '--no-such-option'],
    ['bootstrap', '--admin-email'],
    ['user', 'no-such-command'],
    ['user', 'grant-super-admin'],
  ])('refuses %s %s and shows how it is used', async (...args) => {
    const { code, stdout, stderr } = await run(args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: /);
    expect(stderr).toContain('Usage: latchkey');
  });

  it('without a command shows how it is used', async () => {
    const { code, stderr } = await run([]);
    expect(code).toBe(1);
    expect(stderr).toContain('Usage: latchkey');
  });

  it('ends with 78 and one line for each variable that is wrong', async () => {
    const two = await run(['serve'], { LATCHKEY_LOG_LEVEL: 'loud', LATCHKEY_AUDIENCE: 'a'.repeat(301) });
    expect(two.code).toBe(78);
    expect(two.stderr.trim().split('\n')).toHaveLength(2);
    expect(two.stderr).toContain('LATCHKEY_LOG_LEVEL: must be trace, debug');
    expect(two.stderr).toContain('LATCHKEY_AUDIENCE: ');
  });

  it('names an unknown variable, and goes on', async () => {
    const { code, stderr } = await run(['migrate'], { LATCHKEY_WORKS: 'x' });
    expect(stderr).toContain('LATCHKEY_WORKS: there is no such variable');
    expect(code).toBe(0);
  });

  it.each([
    ['a certificate that is none', { LATCHKEY_TLS_CERT_FILE: 'text', LATCHKEY_TLS_KEY_FILE: 'text' }, /TLS/],
    [
      'a proxy that is no network',
      { LATCHKEY_TRUSTED_PROXIES: '10.0.0.0/8,proxy.local' },
      /TRUSTED_PROXIES.*proxy\.local/,
    ],
    [
      'a network with too long a prefix',
      { LATCHKEY_TRUSTED_PROXIES: '10.0.0.0/99' },
      /TRUSTED_PROXIES.*10\.0\.0\.0\/99/,
    ],
    ['a data directory that is a file', { LATCHKEY_DATA_DIR: 'text' }, /LATCHKEY_DATA_DIR: .*text/],
    [
      'a data directory where none can be',
      { LATCHKEY_DATA_DIR: '/proc/latchkey/data' },
      /LATCHKEY_DATA_DIR: no folder can be made/,
    ],
    ['an administrator without address', { LATCHKEY_ADMIN_EMAIL: 'nobody' }, /LATCHKEY_ADMIN_EMAIL: /],
  ])('ends with 78 and one line for %s', async (what, variables, message) => {
    await writeFile(join(folder.path, 'text'), 'just text');
    const dataDir = join(folder.path, what.replaceAll(' ', '-'));
    const { code, stderr } = await run(['serve'], { LATCHKEY_DATA_DIR: dataDir, ...variables });
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(code).toBe(78);
  });
});

describe('a variable', () => {
  it.each([
    ['DATABASE_URL', 'mysql://localhost/x', 'must be a postgres:// URL'],
    ['BREACH_CHECK_URL', 'on', 'must be off, or an http or https URL'],
    ['BREACH_CHECK_URL', 'ftp://list.example/', 'must be off, or an http or https URL'],
    ['BREACH_CHECK_URL', 'https://user:word@list.example/', 'without user name'],
    ['BREACH_CHECK_URL', 'https://list.example/?a=b', 'without user name, query'],
    ['DATABASE_POOL_SIZE', '0', 'must be between 1 and 1000'],
    ['DATABASE_POOL_SIZE', 'many', 'must be a whole number'],
    ['REDIS_URL', 'http://localhost', 'must be a redis:// or rediss:// URL'],
    ['GRPC_ADDRESS', '50051', 'must be host:port'],
    ['GRPC_ADDRESS', '127.0.0.1:99999', 'port of at most 65535'],
    ['HTTP_ADDRESS', 'localhost:http', 'must be host:port'],
    ['PUBLIC_URL', 'ftp://example.com', 'must be an http or https URL'],
    ['ISSUER', 'example.com', 'must be an http or https URL'],
    ['ISSUER', 'https://example.com/?tenant=1', 'must have no query and no fragment'],
    ['PUBLIC_URL', 'https://example.com/#top', 'must have no query and no fragment'],
    ['MASTER_KEY', 'c2hvcnQ=', 'must be 32 bytes in base64'],
    ['ACCESS_TOKEN_TTL', '15', 'must be a number with a unit'],
    ['ACCESS_TOKEN_TTL', '1s', 'must be between 10s and 24h'],
    ['ACCESS_TOKEN_TTL', '-5m', 'must be a number with a unit'],
    ['REFRESH_GRACE', '1h', 'must be between 0s and 5m'],
    ['SIGNING_ALGORITHM', 'HS256', 'must be ES256, EdDSA or RS256'],
    ['PASSWORD_POLICY', 'none', 'must be strict or nist'],
    ['ARGON2_MEMORY_KIB', '8', 'must be between 1024 and'],
    ['REGISTRATION', 'public', 'must be private, open or closed'],
    ['ANONYMOUS_VALIDATION', 'yes', 'must be true or false'],
    ['SMTP_URL', 'http://mail', 'must be an smtp:// or smtps:// URL'],
    ['ALLOWED_ORIGINS', 'https://a.example/,https://b.example', 'must hold origins like'],
    ['LIMIT_LOGIN_ADDRESS', '5', 'must be off, or a count and a window, like 5/1m'],
    ['LIMIT_LOGIN_ADDRESS', '5/m', 'must be off, or a count and a window, like 5/1m'],
    ['LIMIT_LOGIN_ADDRESS', '0/1m', 'must allow between 1 and 1000000 uses; use off for no limit'],
    ['LIMIT_MAIL_ACCOUNT', '3/31d', 'must have a window between 1s and 30d'],
    ['ALLOWED_ORIGINS', '*', 'must hold origins like'],
    [
      'ALLOWED_ORIGINS',
      'https://a.example,https://*.b.example',
      'which https://*.b.example is not: a wildcard',
    ],
    ['ALLOWED_ORIGINS', 'https://a.example/', 'https://a.example/ is not: leave out the slash at the end'],
    ['ALLOWED_ORIGINS', 'https://a.example/app', 'scheme, host and port alone: https://a.example'],
    ['ALLOWED_ORIGINS', 'a.example', 'a.example is not: it must begin with https:// or http://'],
    ['ALLOWED_ORIGINS', 'https://A.example:443', 'browsers write it https://a.example'],
    ['ALLOWED_ORIGINS', 'null', 'null is the origin of every sandboxed page'],
    ['TRUSTED_PROXIES', '10.0.0.0/8,proxy.local', 'which proxy.local is not'],
    ['TRUSTED_PROXIES', '10.0.0.0/33', 'which 10.0.0.0/33 is not'],
    ['TRUSTED_PROXIES', '10.0.0.0/', 'which 10.0.0.0/ is not'],
    ['TRUSTED_PROXIES', '::1/129', 'which ::1/129 is not'],
    ['MAX_MESSAGE_BYTES', '1', 'must be between 65536 and'],
    ['CLEANUP_INTERVAL', '1s', 'must be off, or between 10s and 1d'],
    ['CLEANUP_INTERVAL', 'never', 'must be off, or a number with a unit'],
    ['LOG_LEVEL', 'verbose', 'must be trace, debug'],
    ['MASTER_KEY_FILE', '/no/such/file', 'there is no file /no/such/file'],
    ['MASTER_KEY_FILE', '/', 'cannot read /'],
    ['TLS_CERT_FILE', '/no/such/file', 'set both or neither'],
    ['TLS_CLIENT_CA_FILE', '/no/such/file', 'needs LATCHKEY_TLS_CERT_FILE'],
  ])('LATCHKEY_%s=%s is refused by name, with the reason', (name, value, reason) => {
    const fault = faultOf({ [`LATCHKEY_${name}`]: value });
    expect(fault).toContain(`LATCHKEY_${name}`);
    expect(fault).toContain(reason);
    expect(fault).not.toContain('c2hvcnQ=');
  });

  it.each([
    [{ LATCHKEY_DATABASE_URL: 'postgres://localhost/x' }, 'LATCHKEY_MASTER_KEY: is required'],
    [{ LATCHKEY_REDIS_URL: 'redis://localhost' }, 'LATCHKEY_REDIS_URL: makes sense only with'],
    [
      { LATCHKEY_ACCESS_TOKEN_TTL: '1h', LATCHKEY_REFRESH_TOKEN_TTL: '30m' },
      'LATCHKEY_ACCESS_TOKEN_TTL: must not be longer than LATCHKEY_REFRESH_TOKEN_TTL',
    ],
    [
      { LATCHKEY_SESSION_MAX_AGE: '60s' },
      'LATCHKEY_ACCESS_TOKEN_TTL: must not be longer than LATCHKEY_SESSION_MAX_AGE',
    ],
    [
      { LATCHKEY_ACCESS_TOKEN_TTL: '30s', LATCHKEY_REFRESH_GRACE: '31s' },
      'LATCHKEY_REFRESH_GRACE: must not be longer than LATCHKEY_ACCESS_TOKEN_TTL',
    ],
  ])('is refused where it does not go with another: %j', (variables, fault) => {
    expect(faultOf(variables)).toContain(fault);
  });

  it('that is empty counts as absent, and one of the tests is not ours', () => {
    expect(faultOf({ LATCHKEY_ISSUER: '', LATCHKEY_TEST_X: 'y', HOME: '/' })).toBeUndefined();
  });

  it('that does not exist is named, and not refused: a cluster adds its own to a service of this name', () => {
    const variables = {
      LATCHKEY_PORT: 'tcp://10.0.0.1:8080',
      LATCHKEY_AUDIENCE_FILE: 'f',
      LATCHKEY_TEST_X: 'y',
      LATCHKEY_ISSUER: '',
    };
    expect(unknownVariables(variables)).toEqual(['LATCHKEY_PORT']);
    expect(faultOf({ LATCHKEY_PORT: 'tcp://10.0.0.1:8080' })).toBeUndefined();
  });

  it('may stand in a file, without the line end', async () => {
    await mkdir(join(folder.path, 'secrets'), { recursive: true });
    const file = join(folder.path, 'secrets', 'audience');
    await writeFile(file, 'from-a-file\n');
    expect(readConfig({ LATCHKEY_AUDIENCE_FILE: file }).AUDIENCE).toBe('from-a-file');
  });

  it('names the list of breached passwords, or turns it off', () => {
    const urlOf = (variables: NodeJS.ProcessEnv) => readConfig(variables).BREACH_CHECK_URL;
    expect(urlOf({})).toBe('https://api.pwnedpasswords.com/range/');
    expect(urlOf({ LATCHKEY_BREACH_CHECK_URL: 'off' })).toBe('off');
    for (const end of ['', '/', '//'])
      expect(urlOf({ LATCHKEY_BREACH_CHECK_URL: `http://list.example:8080/range${end}` })).toBe(
        'http://list.example:8080/range/',
      );
  });

  it('cannot be changed once it has been read', () => {
    const config = readConfig({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(config).toMatchObject({ GRPC_ADDRESS: '127.0.0.1:50051', ISSUER: 'http://localhost:8080' });
  });
});

describe('configuration advice', () => {
  const usual = {
    PUBLIC_URL: 'https://id.example.com',
    ISSUER: 'https://id.example.com',
    HTTP_ADDRESS: '0.0.0.0:8080',
    HASHING_SLOTS: 2,
  };
  const local = { ...usual, PUBLIC_URL: 'http://localhost:8080', ISSUER: 'http://localhost:8080' };
  const advice = (config: typeof usual, environment: NodeJS.ProcessEnv = {}) => adviceOn(config, environment);

  it('is not given for a usual configuration', () => {
    expect(advice(usual)).toEqual([]);
    expect(advice({ ...local, HTTP_ADDRESS: '127.0.0.1:8080' })).toEqual([]);
    expect(advice({ ...local, HTTP_ADDRESS: '127.0.0.1:0' })).toEqual([]);
    expect(advice({ ...usual, PUBLIC_URL: 'https://id.example.com/app' })).toEqual([]);
  });

  it('warns of a port that the public URL does not have', () => {
    const [line, ...others] = advice({ ...local, HTTP_ADDRESS: '127.0.0.1:9090' });
    expect(others).toEqual([]);
    expect(line).toContain('LATCHKEY_PUBLIC_URL is http://localhost:8080, but HTTP listens on port 9090');
  });

  it('warns of an issuer that was left behind', () => {
    const [line, ...others] = advice({ ...usual, ISSUER: 'http://localhost:8080' });
    expect(others).toEqual([]);
    expect(line).toContain(
      'LATCHKEY_ISSUER is http://localhost:8080, but LATCHKEY_PUBLIC_URL is https://id.example.com',
    );
  });

  it('is told of a thread pool that hashes can fill', () => {
    expect(advice(usual, { UV_THREADPOOL_SIZE: '3' })).toEqual([]);
    const [line, ...others] = advice(usual, { UV_THREADPOOL_SIZE: '2' });
    expect(others).toEqual([]);
    expect(line).toContain('UV_THREADPOOL_SIZE is 2, but up to 2 passwords are hashed at once');
    expect(advice({ ...usual, HASHING_SLOTS: 4 })).toHaveLength(1);
  });
});
