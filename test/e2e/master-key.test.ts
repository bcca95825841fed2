// `latchkey master-key rotate` and `latchkey keys` as operators run them: killed again and again, and with wrong keys.

import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { AuthService } from '../../gen/latchkey/v1/auth_service_pb.ts';
import { newId } from '../../src/crypto/ids.ts';
import { Keyring } from '../../src/crypto/keys/keyring.ts';
import { MasterKey } from '../../src/crypto/keys/master-key.ts';
import { openInstance } from '../../src/crypto/keys/instance-secrets.ts';
import { totpSecrets } from '../../src/crypto/tokens/totp.ts';
import type { Child, ServingChild } from '../support/child-service.ts';
import { endChild, runLatchkey, serveChild, temporaryFolder } from '../support/child-service.ts';
import { openServerDatabase, storesOver } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { NOW, sampleUser } from '../support/samples.ts';
import { createTestDatabase, describeWithPostgres, templateDatabase } from '../support/services.ts';

const WRONG_KEY = 78;
const COUNT = 1_000;
// Many processes, one after the other, each of which may have to wait for a busy machine.
const TIMEOUT_MS = 300_000;
const Bootstrap = z.object({ adminEmail: z.string(), adminPassword: z.string() });

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const children: Child[] = [];
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(async () => {
  for (const child of children.splice(0)) await endChild(child);
  await folder.remove();
});

function start(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Child {
  const child = runLatchkey(folder.path, args, variables);
  children.push(child);
  return child;
}

async function finish(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const child = start(args, variables);
  const code = await child.exit;
  return { code, stdout: child.stdout(), stderr: child.stderr() };
}

const authOf = (service: ServingChild) =>
  createClient(AuthService, createGrpcTransport({ baseUrl: `http://${service.grpcAddress}` }));

describe('embedded', () => {
  const inDataDir = (name: string) => join(folder.path, '.latchkey', name);
  const serve = async () => {
    const service = await serveChild(folder.path);
    children.push(service);
    return service;
  };
  const stop = async (service: ServingChild) => {
    service.signal('SIGTERM');
    expect(await service.exit).toBe(0);
  };

  it(
    'the key is changed, whenever the command is killed, and sessions go on',
    { timeout: TIMEOUT_MS },
    async () => {
      let service = await serve();
      const { adminEmail, adminPassword } = Bootstrap.parse(
        JSON.parse(await readFile(inDataDir('bootstrap.json'), 'utf8')),
      );
      const { outcome } = await authOf(service).login({ identifier: adminEmail, password: adminPassword });
      if (outcome.case !== 'tokens') throw new Error('no tokens');
      let { refreshToken } = outcome.value;
      const refresh = async () => {
        const { tokens } = await authOf(service).refreshToken({ refreshToken });
        refreshToken = tokens?.refreshToken ?? '';
      };
      await refresh();
      await stop(service);
      const before = await readFile(inDataDir('master.key'), 'utf8');

      // Killed as soon as there is a next key, then ever later.
      const first = start(['master-key', 'rotate']);
      await eventually(async () => (await readdir(inDataDir('.'))).includes('master.key.next'), {
        timeoutMs: 60_000,
      });
      first.signal('SIGKILL');
      await first.exit;
      expect(await readFile(inDataDir('master.key'), 'utf8')).toBe(before);
      service = await serve();
      await refresh();
      await stop(service);
      const second = start(['master-key', 'rotate']);
      await eventually(() => second.stderr().includes('sealing anew'), { timeoutMs: 60_000 });
      second.signal('SIGKILL');
      await second.exit;

      const { code, stdout } = await finish(['master-key', 'rotate']);
      expect(code).toBe(0);
      expect(stdout).toContain('Everything is sealed by the new key in master.key');
      expect(await readdir(inDataDir('.'))).not.toContain('master.key.next');
      expect(await readFile(inDataDir('master.key'), 'utf8')).not.toBe(before);
      service = await serve();
      await refresh();
      await stop(service);
    },
  );

  it(
    'signing keys are listed and changed while the service is stopped',
    { timeout: TIMEOUT_MS },
    async () => {
      const first = await finish(['keys', 'rotate']);
      expect(first.code).toBe(0);
      const [, kid] = /\n(\S+) +ES256 +signing +\S+Z +-/.exec(first.stdout) ?? [];
      expect(kid).toBeDefined();
      expect((await finish(['keys', 'rotate'])).stdout).toMatch(/\n\S+ +ES256 +published /);
      const pending = await finish(['keys', 'rotate']);
      expect(pending.code).toBe(1);
      expect(pending.stderr).toContain('The next key is published already');
      expect((await finish(['keys', 'rotate', '--retire-others'])).code).toBe(WRONG_KEY);
      const retired = await finish(['keys', 'rotate', '--immediately', '--retire-others']);
      expect(retired.stdout).toMatch(/\n\S+ +ES256 +signing /);
      const { stdout } = await finish(['keys', 'list']);
      expect(stdout.trim().split('\n')).toHaveLength(2);
      expect(stdout).not.toContain(kid);
    },
  );
});

describeWithPostgres('on Postgres', () => {
  const undos: Array<() => Promise<unknown>> = [];
  afterAll(async () => {
    for (const undo of undos.toReversed()) await undo();
  });
  const newKey = () => {
    const bytes = randomBytes(32);
    return { text: bytes.toString('base64'), key: new MasterKey(bytes) };
  };

  it(
    'the command reaches everything, however often it is killed, and runs in vain afterwards',
    { timeout: TIMEOUT_MS },
    async () => {
      const template = await templateDatabase('schema', async (url) => {
        const database = await openServerDatabase(url);
        await database.migrate();
        await database.close();
      });
      const testDatabase = await createTestDatabase({ template });
      undos.push(() => testDatabase.drop());
      const { stores, transact, database } = storesOver(await openServerDatabase(testDatabase.url));
      undos.push(() => database.close());
      const [old, next, wrong] = [newKey(), newKey(), newKey()];
      const ring = new Keyring(next.key, old.key);
      await openInstance(new Keyring(old.key), { instance: stores.instance, transact });
      const secrets = totpSecrets(old.key);
      const ids = Array.from({ length: COUNT }, () => newId());
      await Promise.all(
        ids.map(async (id) => {
          await stores.users.insert(sampleUser({ id }));
          await stores.totpFactors.insertPending({
            userId: id,
            sealedSecret: secrets.seal(id, `secret of ${id}`),
            createTime: NOW,
          });
        }),
      );
      const variables = {
        LATCHKEY_DATABASE_URL: testDatabase.url,
        LATCHKEY_MASTER_KEY: next.text,
        LATCHKEY_MASTER_KEY_SECOND: old.text,
      };
      const resealed = async () => {
        const rows = await database.tables.selectFrom('totp_factors').select('sealed_secret').execute();
        return rows.filter((row) => next.key.isNamedBy(row.sealed_secret)).length;
      };
      // Each run gets one step further before it is killed.
      let done = 0;
      for (let kill = 0; kill < 3; kill += 1) {
        const child = start(['master-key', 'rotate'], variables);
        let hasEnded = false;
        void child.exit.then(() => (hasEnded = true));
        await eventually(async () => hasEnded || (await resealed()) > done, { timeoutMs: 60_000 });
        child.signal('SIGKILL');
        await child.exit;
        const now = await resealed();
        expect(now).toBeGreaterThanOrEqual(done);
        done = now;
      }
      const last = await finish(['master-key', 'rotate'], variables);
      expect(last.stderr).not.toContain('latchkey:');
      expect(last.code).toBe(0);
      expect(last.stdout).toMatch(/totp secrets +\d+ of 1000 sealed anew/);
      expect(await resealed()).toBe(COUNT);
      await Promise.all(
        ids.map(async (id) => {
          const factor = await stores.totpFactors.find(id);
          expect(totpSecrets(ring).unseal(id, factor?.sealedSecret ?? Buffer.of())).toBe(`secret of ${id}`);
        }),
      );
      const again = await finish(['master-key', 'rotate'], variables);
      expect(again.stdout).toContain('0 of 1000 sealed anew');
      expect(again.stdout).toContain('Everything was sealed by LATCHKEY_MASTER_KEY already.');
      const events = await database.tables
        .selectFrom('audit_events')
        .select('details')
        .where('kind', '=', 'master_key.rotate')
        .execute();
      expect(events).toHaveLength(1);

      const serveWith = (first: string, second = '') =>
        finish(['serve'], {
          ...variables,
          LATCHKEY_MASTER_KEY: first,
          LATCHKEY_MASTER_KEY_SECOND: second,
        });
      for (const refused of [await serveWith(old.text), await serveWith(wrong.text)]) {
        expect(refused.code).toBe(WRONG_KEY);
        expect(refused.stderr).toContain('LATCHKEY_MASTER_KEY: the master key is not the one');
      }
      const same = await serveWith(next.text, next.text);
      expect(same.code).toBe(WRONG_KEY);
      expect(same.stderr).toContain('LATCHKEY_MASTER_KEY_SECOND: is the same key');
    },
  );
});
