# syntax=docker/dockerfile:1
# The container image: Node 26, the production dependencies and the sources, which Node runs as they are.

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# The npm package `node` is for machines with an older Node; here it would be a second copy of what the image has.
RUN npm ci --omit=dev --no-audit --no-fund \
  && rm -rf node_modules/node node_modules/node-bin-* node_modules/.bin/node \
  && npm cache clean --force

FROM node:26-slim
# The allocator gives freed memory back at once, as under `npm start`.
ENV NODE_ENV=production \
    MALLOC_TRIM_THRESHOLD_=131072 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    LATCHKEY_GRPC_ADDRESS=0.0.0.0:50051 \
    LATCHKEY_HTTP_ADDRESS=0.0.0.0:8080 \
    LATCHKEY_DATA_DIR=/var/lib/latchkey \
    LATCHKEY_HEALTH_SOCKET=/tmp/latchkey-health.sock
WORKDIR /app
RUN install -d -o node -g node -m 0700 /var/lib/latchkey
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json ./
COPY gen ./gen
COPY src ./src
USER node
VOLUME /var/lib/latchkey
EXPOSE 50051 8080
# Over a socket of its own: the same with and without TLS and client certificates, and whatever the ports are.
HEALTHCHECK --interval=10s --timeout=10s --start-period=30s --retries=3 \
  CMD ["node", "src/cli/probe.ts"]
CMD ["node", "src/main.ts", "serve"]
