// Services that do the same as ours, each with the whole of its request: oidc-provider, better-auth, and one as the tutorials of FastAPI write it.

import type { Metric } from '../report.ts';
import type { Lab } from '../calls/lab.ts';
import { withLab } from '../calls/lab.ts';
import { getMeOverConnect, httpResponseBytes, introspect } from '../calls/requests.ts';
import type { Target } from '../calls/rounds.ts';
import { costMetrics, measureCalls, ratio } from '../calls/rounds.ts';
import { openBetterAuth, openFastApi, openOidcProvider } from './servers.ts';

export async function benchPeers(): Promise<readonly Metric[]> {
  return [
    ...(await benchIntrospection()),
    ...(await benchGetMe('better-auth', openBetterAuth)),
    ...(await benchGetMe('fastapi', openFastApi)),
  ];
}

/** POST /oauth2/introspect, each with a token in memory. */
function benchIntrospection(): Promise<readonly Metric[]> {
  return withLab(async (lab) => {
    const latchkey = await lab.latchkey();
    const request = introspect(latchkey);
    await httpResponseBytes(request, '"active":true');
    const { ours, peer } = await measureCalls({
      ours: lab.target(latchkey, request),
      peer: await openOidcProvider(lab),
    });
    return [
      ratio('introspect-vs-peer', peer, ours, '≥ 3.5'),
      ...costMetrics('introspect', ours),
      ...costMetrics('oidc-provider-introspect', peer),
    ];
  });
}

/** Who the caller is, read from Postgres: GetMe over Connect against what is like it. Empty where the peer cannot be started. */
function benchGetMe(
  name: string,
  open: (lab: Lab) => Promise<Target | undefined>,
): Promise<readonly Metric[]> {
  return withLab(async (lab) => {
    const target = await open(lab);
    if (target === undefined) return [];
    const latchkey = await lab.latchkey();
    const request = getMeOverConnect(latchkey);
    await httpResponseBytes(request, 'bench@example.com');
    const { ours, peer } = await measureCalls({ ours: lab.target(latchkey, request), peer: target });
    return [
      ratio(`get-me-vs-${name}`, peer, ours, ''),
      ...costMetrics(`get-me-beside-${name}`, ours),
      ...costMetrics(name, peer),
    ];
  });
}
