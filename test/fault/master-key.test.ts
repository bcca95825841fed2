// Two nodes are rolled through a change of the master key while people log in, refresh and are validated: no call is refused.

import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { newId } from '../../src/crypto/ids.ts';
import { INSTANCE_SECRETS } from '../../src/crypto/keys/instance-secrets.ts';
import { resealer } from '../../src/crypto/keys/resealer.ts';
import { rotateMasterKey } from '../../src/domain/instance/rotate-master-key.ts';
import { bearer, signUp, startTestService } from '../support/service.ts';
import type { TestService } from '../support/service.ts';
import { describeWithServices } from '../support/services.ts';
import type { EnrolledFactor } from '../support/totp.ts';
import { challengeOf, enrolTotp, signInWithTotp } from '../support/totp.ts';
import { eventually } from '../support/eventually.ts';
import type { Variables } from './nodes.ts';
import { afterSuite, newMasterKey, openSession, sharedVariables, tally, tryRefresh } from './nodes.ts';
import { ORIGIN } from '../support/samples.ts';

type Person = { readonly email: string; readonly factor: EnrolledFactor };

/** Two places for nodes; the calls that are made at one are counted, so that it is stopped when nobody waits for it. */
class Cluster {
  readonly #nodes: Array<TestService | undefined> = [undefined, undefined];
  readonly #calls = [0, 0];
  gatewayKey = '';

  /** A node that is up, the one at `place` if possible. */
  at(place: number): TestService {
    const node = this.#nodes[place] ?? this.#nodes[1 - place];
    if (node === undefined) throw new Error('no node is up');
    return node;
  }

  async call<Result>(place: number, work: (node: TestService) => Promise<Result>): Promise<Result> {
    const node = this.at(place);
    const index = this.#nodes.indexOf(node);
    this.#calls[index] = (this.#calls[index] ?? 0) + 1;
    try {
      return await work(node);
    } finally {
      this.#calls[index] = (this.#calls[index] ?? 0) - 1;
    }
  }

  async stop(place: number): Promise<void> {
    const node = this.#nodes[place];
    this.#nodes[place] = undefined;
    await eventually(() => this.#calls[place] === 0);
    await node?.stop();
  }

  /** Puts a node with these variables in the place of the one there. */
  async roll(place: number, variables: Variables): Promise<void> {
    await this.stop(place);
    const DATA_DIR = join(tmpdir(), 'latchkey-fault-tests');
    const node = await startTestService({ variables: { DATA_DIR, ...variables } });
    this.#nodes[place] = node;
    this.gatewayKey ||= node.secrets?.gatewayApiKey ?? '';
  }
}

describeWithServices('a change of the master key', () => {
  const later = afterSuite();

  it('refuses no call on two nodes that are rolled through it', { timeout: 180_000 }, async () => {
    const shared = await sharedVariables(later);
    const [old, next] = [newMasterKey(), newMasterKey()];
    const phase = (primary: string, second = '') => ({
      ...shared,
      MASTER_KEY: primary,
      MASTER_KEY_SECOND: second,
    });
    const cluster = new Cluster();
    later(async () => {
      await cluster.stop(0);
      await cluster.stop(1);
    });
    for (const place of [0, 1]) await cluster.roll(place, phase(old));

    let names = 0;
    const enroll = (place: number): Promise<Person> =>
      cluster.call(place, async (node) => {
        const name = `person-${(names += 1)}`;
        const { accessToken } = await signUp(node, name);
        return { email: `${name}@example.com`, factor: await enrolTotp(node, accessToken) };
      });
    const logIn = ({ email, factor }: Person, place: number) =>
      cluster.call(place, (node) => signInWithTotp(node, email, factor.code(1)));
    const logInByBackupCode = ({ email, factor }: Person, place: number, index: number) =>
      cluster.call(place, async (node) => {
        const mfaToken = await challengeOf(node, email);
        const value = factor.backupCodes[index] ?? '';
        return node.auth().verifyMfa({ mfaToken, factor: { case: 'backupCode', value } });
      });
    const veteran = await enroll(0);
    let steps = 0;
    /** What must be possible at any time. */
    const everythingWorks = async () => {
      for (const place of [0, 1]) await logIn(await enroll(place), 1 - place);
      await logInByBackupCode(veteran, steps % 2, steps);
      steps += 1;
    };

    const outcomes: string[] = [];
    const over = new AbortController();
    const lanes = Promise.all(
      [0, 1].map(async (lane) => {
        let { refreshToken } = (await cluster.call(lane, (node) => openSession(node))).tokens;
        for (let step = lane; !over.signal.aborted; step += 1) {
          const place = step % 2;
          const outcome = await cluster.call(place, (node) => tryRefresh(node.auth(), refreshToken));
          outcomes.push(outcome.reason);
          if (outcome.reason !== 'ok' || outcome.accessToken === undefined) return;
          refreshToken = outcome.refreshToken;
          const token = outcome.accessToken;
          const { active } = await cluster.call(1 - place, (node) =>
            node.auth().validateToken({ token }, bearer(cluster.gatewayKey)),
          );
          outcomes.push(active ? 'active' : 'inactive');
        }
      }),
    );

    await everythingWorks();
    for (const variables of [phase(old, next), phase(next, old)]) {
      for (const place of [0, 1]) {
        await cluster.roll(place, variables);
        await everythingWorks();
      }
    }
    // Codes are used while their secrets are sealed anew.
    const people = await Promise.all(Array.from({ length: 6 }, (_, index) => enroll(index % 2)));
    const { app } = cluster.at(0);
    const rotation = rotateMasterKey(
      { ...app, newId, resealer: resealer(app.keyring), onProgress: () => undefined },
      ORIGIN,
    );
    await Promise.all(people.map((person, index) => logIn(person, index % 2)));
    const { counts } = await rotation;
    expect(counts.totp_secrets.resealed).toBeGreaterThan(0);
    expect(counts.instance_secrets).toEqual({
      total: INSTANCE_SECRETS.length,
      resealed: INSTANCE_SECRETS.length,
    });
    await everythingWorks();
    for (const place of [0, 1]) {
      await cluster.roll(place, phase(next));
      await everythingWorks();
    }
    over.abort();
    await lanes;
    expect(Object.keys(tally(outcomes)).toSorted()).toEqual(['active', 'ok']);
  });
});
