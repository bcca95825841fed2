// The running service: both servers over one app, the jobs beside them, and an orderly end.

import { setTimeout as delay } from 'node:timers/promises';
import { AdminService } from '../gen/latchkey/v1/admin_service_pb.ts';
import { AuthService } from '../gen/latchkey/v1/auth_service_pb.ts';
import { UserService } from '../gen/latchkey/v1/user_service_pb.ts';
import type { App } from './app.ts';
import { adviceOn } from './config/advice.ts';
import { checkDependencies, healthProbes } from './dependency-checks.ts';
import { authenticate } from './domain/access/authenticate.ts';
import { HASH_CENSUS_INTERVAL_MS, takeHashCensus } from './domain/password/hash-census.ts';
import { USAGE_FLUSH_INTERVAL_MS } from './domain/api-key/api-key-usage.ts';
import { keepMonths } from './domain/audit/retention.ts';
import type { Readiness } from './domain/health/readiness.ts';
import { readinessOf } from './domain/health/readiness.ts';
import { maintainSigningKeys } from './domain/keyset/maintain-signing-keys.ts';
import { LifetimeRegistrar } from './domain/token/token-lifetimes.ts';
import type { ProbeSocket } from './edge/http/probe-socket.ts';
import { startProbeSocket } from './edge/http/probe-socket.ts';
import { SEALING_INTERVAL_MS } from './jobs/audit-sealer.ts';
import { PROBE_INTERVAL_MS } from './jobs/health-probes.ts';
import type { JobLoop } from './jobs/job-loop.ts';
import { startJobLoop } from './jobs/job-loop.ts';
import { POLL_INTERVAL_MS, RevocationFeed } from './jobs/revocation-feed.ts';
import { keepStats, STATS_INTERVAL_MS } from './jobs/stats-keeper.ts';
import { openListeners } from './listeners.ts';
import { accessTable } from './edge/pipeline/access-table.ts';
import { ActiveCalls } from './edge/pipeline/active-calls.ts';
import { clientAddressBehind } from './edge/pipeline/client-address.ts';
import { GrpcHealth } from './edge/grpc/health.ts';
import { OpenStreams } from './edge/pipeline/open-streams.ts';
import { ProxyWatch } from './edge/pipeline/proxy-watch.ts';
import { adminServiceHandlers } from './edge/operations/admin/admin-service.ts';
import { authServiceHandlers } from './edge/operations/auth/auth-service.ts';
import { encodedValidation } from './edge/operations/auth/encoded-validation.ts';
import type { ServedService } from './edge/operations/handlers.ts';
import { servedService } from './edge/operations/handlers.ts';
import { userServiceHandlers } from './edge/operations/user/user-service.ts';
import type { StreamPipelineDeps } from './edge/pipeline/stream-life.ts';

const SERVICES = [AuthService, UserService, AdminService];
const MAIL_INTERVAL_MS = 1_000;
const KEY_INTERVAL_MS = 60_000;
const MONTHS_INTERVAL_MS = 10 * 60_000;

/** A service that answers calls. */
export type RunningService = {
  readonly grpcPort: number;
  readonly httpPort: number;
  /** NOT_SERVING, no new calls, streams end, calls and emails under way end (or are cut after the grace), jobs stop. The app stays open. */
  stop(): Promise<void>;
};

/** Starts the service. Errors: when a port is taken, a certificate is unusable, or the database is away; nothing is left running then. */
export async function startService(app: App): Promise<RunningService> {
  for (const line of adviceOn(app.config, process.env)) app.logger.warn(line);
  await checkDependencies(app);
  const { revocations, roles } = app.reservedStores;
  const feed = new RevocationFeed({ ...app, revocations, roles });
  const lifetimes = new LifetimeRegistrar({
    ...app,
    aheadMs: () => app.clockSkew.status.aheadMs ?? 0,
  });
  const probes = healthProbes(app);
  let isStopping = false;
  const ready = () =>
    readinessOf({
      isStopping,
      isFresh: app.revocationIndex.isFresh(),
      isClockRight: app.clockSkew.status.isWithinBound,
      databaseAnswered: feed.databaseAnswered,
      database: probes.database,
      redis: probes.redis,
    });
  const pipeline = pipelineOf(app);
  const services = servicesOf(app);
  await maintainSigningKeys(app);
  await app.keyset.reload();
  await takeHashCensus(app);
  await feed.start();
  // By now it is known how far the clock is ahead, and nothing has been issued yet.
  await lifetimes.keep();
  await probes.run();

  const health = new GrpcHealth(SERVICES.map(({ typeName }) => typeName));
  const listeners = await openListeners(app, { pipeline, services, health, readiness: ready });
  const probeSocket = await startProbes(app, ready).catch(async (error: unknown) => {
    await listeners.close(0);
    throw error;
  });
  const showHealth = () => health.set(ready().status !== 'unavailable');
  showHealth();

  const onFailure = (job: string) => (error: unknown) =>
    app.logger.warn({ err: error, job }, 'job failed; it will run again');
  const cutMail = new AbortController();
  const mailJob = startJobLoop({
    intervalMs: MAIL_INTERVAL_MS,
    run: (stopping) => app.mailSender.run({ stopping, cut: cutMail.signal }),
    onFailure: onFailure('mail'),
  });
  const probeJob = startJobLoop({
    intervalMs: PROBE_INTERVAL_MS,
    run: () => probes.run().finally(showHealth),
    onFailure: onFailure('health probes'),
  });
  // Not behind the poll, which must not wait for a connection that is not its own.
  const lifetimeJob = startJobLoop({
    intervalMs: POLL_INTERVAL_MS,
    run: () => lifetimes.keep(),
    onFailure: onFailure('lifetimes of tokens'),
  });
  const poll = () => feed.poll().finally(showHealth);
  const jobs = [probeJob, lifetimeJob, ...backgroundJobs(app, poll, onFailure)];

  return {
    grpcPort: listeners.grpcPort,
    httpPort: listeners.httpPort,
    async stop() {
      isStopping = true;
      showHealth();
      // Load balancers see it in time to stop sending calls, and until then they are served.
      listeners.drain();
      await delay(app.config.SHUTDOWN_DELAY);
      pipeline.openStreams.close();
      const graceMs = app.config.SHUTDOWN_GRACE;
      const mailEnd = AbortSignal.timeout(graceMs);
      mailEnd.addEventListener('abort', () => cutMail.abort());
      await Promise.all([mailJob.stop(), listeners.close(graceMs)]);
      await Promise.all(jobs.map((job) => job.stop()));
      await probeSocket?.close();
      await app.apiKeyUsage.flush().catch(onFailure('use of API keys'));
      await app.sessionDirectory.idle();
      await app.accessRefusals.idle();
    },
  };
}

/** What runs beside the servers again and again, mail aside. */
function backgroundJobs(
  app: App,
  pollRevocations: () => Promise<void>,
  onFailure: (job: string) => (error: unknown) => void,
): readonly JobLoop[] {
  return [
    startJobLoop({
      intervalMs: POLL_INTERVAL_MS,
      run: pollRevocations,
      onFailure: onFailure('revocation poll'),
    }),
    startJobLoop({
      intervalMs: KEY_INTERVAL_MS,
      run: () => maintainSigningKeys(app),
      onFailure: onFailure('signing keys'),
    }),
    startJobLoop({
      intervalMs: POLL_INTERVAL_MS,
      run: () => app.keyset.refresh(),
      onFailure: onFailure('signing key poll'),
    }),
    startJobLoop({
      intervalMs: HASH_CENSUS_INTERVAL_MS,
      run: () => takeHashCensus(app),
      onFailure: onFailure('census of password hashes'),
    }),
    startJobLoop({
      intervalMs: USAGE_FLUSH_INTERVAL_MS,
      run: () => app.apiKeyUsage.flush(),
      onFailure: onFailure('use of API keys'),
    }),
    startJobLoop({
      intervalMs: SEALING_INTERVAL_MS,
      run: (stopping) => app.auditSealer.run(stopping),
      onFailure: onFailure('sealing of the audit log'),
    }),
    startJobLoop({
      intervalMs: STATS_INTERVAL_MS,
      run: (stopping) => keepStats(app, stopping),
      onFailure: onFailure('statistics'),
    }),
    startJobLoop({
      intervalMs: MONTHS_INTERVAL_MS,
      run: async () => {
        const horizon = await keepMonths(app);
        if (horizon !== undefined)
          app.logger.info({ before: new Date(horizon) }, 'audit events retired that were older than is kept');
      },
      onFailure: onFailure('months of the audit log'),
    }),
    ...cleanupJob(app, onFailure('cleanup')),
  ];
}

function cleanupJob(app: App, onFailure: (error: unknown) => void): readonly JobLoop[] {
  const { CLEANUP_INTERVAL: intervalMs } = app.config;
  if (intervalMs === 'off') return [];
  return [startJobLoop({ intervalMs, run: (stopping) => app.cleaner.catchUp(stopping), onFailure })];
}

function pipelineOf(app: App): StreamPipelineDeps {
  const proxyWatch = new ProxyWatch((proxy) =>
    app.logger.warn(
      { proxy },
      'calls come with x-forwarded-for from an address that is not among LATCHKEY_TRUSTED_PROXIES: all its clients count as one address',
    ),
  );
  return {
    accessTable: accessTable(SERVICES, { anonymousValidation: app.config.ANONYMOUS_VALIDATION }),
    authenticate: (presented) => authenticate(app, presented),
    clientAddress: clientAddressBehind(app.config.TRUSTED_PROXIES, (peer, forwardedFor) =>
      proxyWatch.note(peer, forwardedFor),
    ),
    cookieOrigins: new Set([new URL(app.config.PUBLIC_URL).origin, ...app.config.ALLOWED_ORIGINS]),
    rateLimiter: app.rateLimiter,
    clock: app.clock,
    logger: app.logger,
    maxCallMs: app.config.MAX_CALL_TIME,
    activeCalls: new ActiveCalls(),
    openStreams: new OpenStreams(),
    revocationIndex: app.revocationIndex,
    roleDirectory: app.roleDirectory,
    accessRefusals: app.accessRefusals,
    keyset: app.keyset,
  };
}

function servicesOf(app: App): readonly ServedService[] {
  return [
    servedService(AuthService, authServiceHandlers(app), encodedValidation(app)),
    servedService(UserService, userServiceHandlers(app)),
    servedService(AdminService, adminServiceHandlers(app)),
  ];
}

async function startProbes(app: App, readiness: () => Readiness): Promise<ProbeSocket | undefined> {
  const { HEALTH_SOCKET: path } = app.config;
  return path === undefined ? undefined : startProbeSocket(path, readiness);
}
