// Holds the republisher: what the channel did not carry is published again by one or two of many nodes, and everything else is left alone.

import { describe, expect, it } from 'vitest';

import { Republisher } from '../../src/domain/revocation/republisher.ts';
import type { Revocation } from '../../src/domain/revocation/revocation.ts';
import { NOW } from '../support/samples.ts';

const WINDOW_MS = 60_000;
const named = (id: string, change: Partial<Revocation> = {}): Revocation =>
  ({ form: 'session', id, revokeTime: NOW, expireTime: NOW + 900_000, ...change }) as Revocation;

/** Nodes that hear each other; `channel.refuses` is a Redis that takes no writes. */
function cluster(count: number, random: () => number = Math.random, reachesOthers = true) {
  const channel = { refuses: false, now: 0, messages: [] as Array<readonly Revocation[]> };
  const nodes: Republisher[] = [];
  const publish = async (revocations: readonly Revocation[]) => {
    if (channel.refuses) throw new Error('READONLY');
    channel.messages.push(revocations);
    for (const node of nodes) node.noteSeen(revocations);
  };
  const deps = { revocationChannel: { publish, reachesOthers }, stopwatch: () => channel.now, random };
  for (let node = 0; node < count; node += 1) nodes.push(new Republisher({ ...deps, windowMs: WINDOW_MS }));
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      channel.now += 1_000;
      for (const node of nodes) await node.run();
    }
  };
  const published = () => channel.messages.flat().map(({ id }) => id);
  return { channel, nodes, pass, published };
}

describe('the republisher', () => {
  it('publishes what was read and not seen: once, whatever the number of nodes', async () => {
    const { nodes, pass, published } = cluster(50);
    for (const node of nodes) node.noteRead([named('lost')], NOW);
    await pass(120);
    expect(published()).toEqual(['lost']);
  });

  it('publishes nothing that was seen, before or after it was read', async () => {
    const { nodes, pass, published } = cluster(3);
    nodes[0]?.noteSeen([named('before')]);
    nodes[0]?.noteRead([named('before'), named('after')], NOW);
    nodes[0]?.noteSeen([named('after')]);
    await pass(120);
    expect(published()).toEqual([]);
  });

  it('publishes again what says more than what was seen', async () => {
    const { nodes, pass, channel } = cluster(1);
    const [low, high] = [2, 3].map((minVersion) => named('ada', { form: 'subject', minVersion }));
    nodes[0]?.noteSeen([low!]);
    nodes[0]?.noteRead([high!], NOW);
    await pass(10);
    expect(channel.messages).toEqual([[high]]);
  });

  it('gives the publish of the revoking node a second', async () => {
    const { channel, nodes, published } = cluster(1, () => 0);
    nodes[0]?.noteRead([named('lost')], NOW);
    channel.now = 999;
    await nodes[0]?.run();
    expect(published()).toEqual([]);
    channel.now = 1_000;
    await nodes[0]?.run();
    expect(published()).toEqual(['lost']);
  });

  it('tries again while the channel refuses, and no longer than that is of use', async () => {
    const { channel, nodes, pass, published } = cluster(1);
    channel.refuses = true;
    nodes[0]?.noteRead([named('lost')], NOW);
    await pass(30);
    channel.refuses = false;
    await pass(10);
    expect(published()).toEqual(['lost']);
    channel.refuses = true;
    nodes[0]?.noteRead([named('too late')], NOW);
    await pass(WINDOW_MS / 1_000 + 1);
    channel.refuses = false;
    await pass(30);
    expect(published()).toEqual(['lost']);
  });

  it('is not set off by what is old, nor by reading the same rows again and again', async () => {
    const { nodes, pass, published } = cluster(1);
    nodes[0]?.noteRead([named('old', { revokeTime: NOW - WINDOW_MS - 600_001 })], NOW);
    for (let round = 0; round < 60; round += 1) {
      nodes[0]?.noteRead([named('repeated')], NOW);
      await pass(1);
    }
    expect(published()).toEqual(['repeated']);
  });

  it('sends a thousand entries a second at most, and holds no more than it can send in time', async () => {
    const { channel, nodes, pass, published } = cluster(1, () => 0);
    nodes[0]?.noteRead(
      Array.from({ length: 20_000 }, (_, index) => named(`n${index}`)),
      NOW,
    );
    await pass(1);
    expect(channel.messages.map((message) => message.length)).toEqual([250, 250, 250, 250]);
    await pass(60);
    expect(published()).toHaveLength(5_000);
  });

  it('does nothing where no other node hears', async () => {
    const { nodes, pass, published } = cluster(1, Math.random, false);
    nodes[0]?.noteRead([named('here')], NOW);
    await pass(60);
    expect(published()).toEqual([]);
  });
});
