// ValidateToken with a warm token over gRPC against a bare grpc-js RPC with messages as large.

import type { Metric } from '../report.ts';
import { withLab } from './lab.ts';
import { grpcCall, validateOverGrpc, verdictBytes } from './requests.ts';
import { costMetrics, measureCalls, ratio } from './rounds.ts';

export function benchValidate(): Promise<readonly Metric[]> {
  return withLab(async (lab) => {
    const latchkey = await lab.latchkey();
    const request = validateOverGrpc(latchkey);
    const noOp = await lab.noOp({ grpc: await verdictBytes(request), http: 0 });
    const sameSize = grpcCall(noOp, '/bench.NoOp/Call', Buffer.from(request.body, 'base64'), request.headers);
    const { validate, bare } = await measureCalls({
      validate: lab.target(latchkey, request),
      bare: lab.target(noOp, sameSize),
    });
    return [
      ratio('validate-vs-noop', bare, validate, '≥ 0.85'),
      ...costMetrics('validate', validate),
      ...costMetrics('noop', bare),
    ];
  });
}
