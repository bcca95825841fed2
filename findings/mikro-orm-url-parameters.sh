#!/usr/bin/env bash
# MikroORM takes host, user and database from a connection URL and drops its parameters, which `pg`, its driver, obeys.
#
# Versions:  @mikro-orm/postgresql 7.2.1, pg 8.23.0 (Node 20 and 26), 2026-11-28.
# Expected:  the parameters of a libpq URL (`application_name`, `options`, `sslmode`, ...) belong to it (PostgreSQL documentation, 34.1.1.2), and `pg` obeys
#            them when it is given the URL. So `clientUrl` is expected to connect as `pg` itself would.
# Behaviour: MikroORM takes the URL apart and gives the driver host, port, user, password and database alone. Nothing is said of the parameters: the
#            connection works, under another name and with other settings than the URL asks for. What goes in `driverOptions` reaches the driver.
# Matters:   a URL that works as it should in psql, in `pg` and in a health check means something else for the service that uses the ORM.
# Seen:
#   pg: application_name billing, options -c statement_timeout=5s
#   MikroORM: application_name undefined, options undefined
#   MikroORM, driverOptions: application_name billing, options -c statement_timeout=5s
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact @mikro-orm/core@7.2.1 @mikro-orm/sql@7.2.1 @mikro-orm/postgresql@7.2.1 pg@8.23.0 node@26.10.0

cat >probe.mjs <<'PROBE'
import { defineEntity, MikroORM } from '@mikro-orm/postgresql';
import pg from 'pg';

const parameters = { application_name: 'billing', options: '-c statement_timeout=5s' };
const url = `postgresql://app:secret@127.0.0.1:1/shop?${new URLSearchParams(parameters).toString().replaceAll('+', '%20')}`;
const Thing = defineEntity({ name: 'Thing', properties: (p) => ({ id: p.integer().primary() }) });

const show = (name, { application_name, options }) =>
  console.log(`${name}: application_name ${application_name}, options ${options}`);

// No connection is made: these are the settings that one would be made with.
const settingsOf = async (driverOptions) => {
  const settings = Promise.withResolvers();
  const orm = await MikroORM.init({
    clientUrl: url,
    entities: [Thing],
    driverOptions: { ...driverOptions, onPoolCreated: (pool) => settings.resolve(pool.options) },
  });
  await orm.em.getConnection().connect().catch(() => undefined);
  const { connectionString, ...options } = await settings.promise;
  return connectionString === undefined ? options : new pg.Client({ connectionString }).connectionParameters;
};

show('pg', new pg.Client({ connectionString: url }).connectionParameters);
show('MikroORM', await settingsOf({}));
show('MikroORM, driverOptions', await settingsOf(parameters));
process.exit(0);
PROBE

diff - <(node_modules/.bin/node probe.mjs) <<'SEEN' || exit 1
pg: application_name billing, options -c statement_timeout=5s
MikroORM: application_name undefined, options undefined
MikroORM, driverOptions: application_name billing, options -c statement_timeout=5s
SEEN
echo 'unchanged: the parameters of the URL do not reach the driver'
