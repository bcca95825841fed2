#!/usr/bin/env bash
# What stands in the URL of a nodemailer transport wins over the options that the program gives beside it.
#
# Versions:  nodemailer 10.6.0 on Node 20 and 26, 2026-11-27.
# Expected:  the URL says where the server is, and options that a program gives in the same object are its decision. At the least, the two are
#            expected to conflict with an error.
# Behaviour: every option that the URL names, in its query or by its form, replaces the one of the same name in the object, and no word is said. A port
#            that the URL names, and its user, win too.
# Matters:   `requireTLS: true` in the code means nothing when the operator's URL says `?requireTLS=false`: a program that demands STARTTLS has to
#            take the URL apart itself.
# Seen:
#   option alone: requireTLS true
#   URL against option: requireTLS false
#   option against URL: requireTLS true
#   port of the URL against option: port 25
#   user of the URL against option: user a
# Exits 0 while this holds, 1 when the behaviour has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init --yes >/dev/null
npm install --silent --no-audit --no-fund --save-exact nodemailer@10.6.0

cat >probe.mjs <<'PROBE'
import { createTransport } from 'nodemailer';

const optionsOf = (options) => createTransport(options).transporter.options;
const url = 'smtp://mail.example.com:25';
console.log('option alone: requireTLS', optionsOf({ url, requireTLS: true }).requireTLS);
console.log('URL against option: requireTLS', optionsOf({ url: `${url}?requireTLS=false`, requireTLS: true }).requireTLS);
console.log('option against URL: requireTLS', optionsOf({ url: `${url}?requireTLS=true`, requireTLS: false }).requireTLS);
console.log('port of the URL against option: port', optionsOf({ url, port: 587 }).port);
const auth = { user: 'c', pass: 'd' };
console.log('user of the URL against option: user', optionsOf({ url: 'smtp://a:b@mail.example.com', auth }).auth.user);
PROBE

diff - <(node probe.mjs) <<'SEEN' || exit 1
option alone: requireTLS true
URL against option: requireTLS false
option against URL: requireTLS true
port of the URL against option: port 25
user of the URL against option: user a
SEEN
echo 'unchanged: the URL of a transport wins over its options'
