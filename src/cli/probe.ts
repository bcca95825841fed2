// Asks the health socket of a running service whether it can serve: exits 0 when it can, else 1. The container's HEALTHCHECK; loads nothing else.

import { request } from 'node:http';

const socketPath = process.env['LATCHKEY_HEALTH_SOCKET'];
if (socketPath === undefined || socketPath === '') {
  console.error('latchkey probe: LATCHKEY_HEALTH_SOCKET is not set');
  process.exit(1);
}
const probe = request({ socketPath, path: '/readyz', timeout: 2_500 }, (answer) => {
  process.exit(answer.statusCode === 200 ? 0 : 1);
});
probe.on('timeout', () => probe.destroy(new Error('no answer in time')));
probe.on('error', (error) => {
  console.error(`latchkey probe: ${error.message}`);
  process.exit(1);
});
probe.end();
