// Connect in JSON over HTTP/1.1: ValidateToken against a bare node:http handler with messages as large, and GetMe, beside that of another
// checkout if BENCH_BASELINE_CHECKOUT names one.

import type { Metric } from '../report.ts';
import type { Lab } from './lab.ts';
import { withLab } from './lab.ts';
import { getMeOverConnect, httpPost, httpResponseBytes, validateOverConnect } from './requests.ts';
import { costMetrics, measureCalls, ratio } from './rounds.ts';

export function benchConnect(): Promise<readonly Metric[]> {
  return withLab(async (lab) => [...(await validateMetrics(lab)), ...(await getMeMetrics(lab))]);
}

async function validateMetrics(lab: Lab): Promise<readonly Metric[]> {
  const latchkey = await lab.latchkey();
  const request = validateOverConnect(latchkey);
  const noOp = await lab.noOp({ grpc: 0, http: await httpResponseBytes(request, '"active":true') });
  const { 'content-type': contentType = '', ...headers } = request.headers;
  const text = Buffer.from(request.body, 'base64').toString();
  const { validate, bare } = await measureCalls({
    validate: lab.target(latchkey, request),
    bare: lab.target(noOp, httpPost(noOp.http, contentType, text, headers)),
  });
  return [
    ratio('connect-validate', validate, bare, '≤ 2.2'),
    ...costMetrics('connect-validate', validate),
    ...costMetrics('http-noop', bare),
  ];
}

async function getMeMetrics(lab: Lab): Promise<readonly Metric[]> {
  const target = async (checkout?: string) => {
    const latchkey = await lab.latchkey(checkout);
    const request = getMeOverConnect(latchkey);
    await httpResponseBytes(request, 'bench@example.com');
    return lab.target(latchkey, request);
  };
  const now = await target();
  const checkout = process.env['BENCH_BASELINE_CHECKOUT'];
  if (checkout === undefined) return costMetrics('connect-get-me', (await measureCalls({ now })).now);
  const costs = await measureCalls({ now, before: await target(checkout) });
  return [
    ratio('connect-get-me', costs.before, costs.now, '≥ 3.5'),
    ...costMetrics('connect-get-me', costs.now),
    ...costMetrics('connect-get-me-baseline', costs.before),
  ];
}
