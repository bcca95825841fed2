#!/usr/bin/env bash
# SIGTERM to `npm run` ends npm and its shell, and the program of the script goes on, unless the script begins with `exec`.
#
# Versions:  npm 11.19.1 on Node 20.20.2 and 26.10.0, with Debian's /bin/sh (dash), 2026-11-28.
# Expected:  npm forwards SIGTERM to its child, so a service under `npm start` is expected to hear it, drain, and give npm its exit code.
# Behaviour: the child is `sh -c <script>`, which dies of the signal and does not pass it on; npm exits 143 at once, and the program is left running, with
#            its ports, as an orphan. With `exec` in the script there is no shell in between: the program hears the signal, and npm exits with its code.
# Matters:   a container whose command is `npm start` never drains: it is killed when the grace is over, or with its namespace at once.
# Seen:
#   node server.mjs: npm exits 143, the program heard nothing
#   exec node server.mjs: npm exits 0, the program heard SIGTERM
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >package.json <<'PACKAGE'
{ "name": "probe", "version": "1.0.0", "private": true, "scripts": { "plain": "node server.mjs", "exec": "exec node server.mjs" } }
PACKAGE
npm install --silent --no-audit --no-fund --save-exact npm@11.19.1

cat >server.mjs <<'PROBE'
import { appendFileSync } from 'node:fs';

const end = (word) => {
  appendFileSync('seen', `${word}\n`);
  process.exit(0);
};
process.on('SIGTERM', () => end('SIGTERM'));
setTimeout(() => end('nothing'), 5_000);
appendFileSync('seen', 'ready\n');
PROBE

# Waits until the file `seen` has so many lines.
lines() {
  until [[ -f seen && $(wc -l <seen) -ge $1 ]]; do sleep 0.1; done
}

probe() {
  rm -f seen
  node_modules/.bin/npm run --silent "$1" &
  local npm=$! status=0
  lines 1
  kill -TERM "$npm"
  wait "$npm" || status=$?
  lines 2
  echo "npm exits $status, the program heard $(tail -1 seen)"
}

diff - <(
  echo "node server.mjs: $(probe plain)"
  echo "exec node server.mjs: $(probe exec)"
) <<'SEEN' || exit 1
node server.mjs: npm exits 143, the program heard nothing
exec node server.mjs: npm exits 0, the program heard SIGTERM
SEEN
echo 'unchanged: npm run keeps SIGTERM from the program of its script'
