// oidc-provider with its in-memory adapter: issues an opaque access token to a client, and introspects it.

import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const server = createServer();
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const http = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(http, {
  clients: [
    {
      client_id: 'gateway',
      client_secret: 'a-secret-of-the-gateway',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    devInteractions: { enabled: false },
  },
});
server.on('request', provider.callback());
process.once('SIGTERM', () => process.exit(0));
console.log(JSON.stringify({ msg: 'ready', http }));
