// The counterpart of oauth.mjs: npm's oidc-provider, as its documentation advises for client credentials with JWT access tokens of
// ES256. What it has is in memory (its own adapter): no store, no revocation of accounts, no second process.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(new URL('../e2e/package.json', import.meta.url));
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const { generateKeyPair, exportJWK } = await import(pathToFileURL(require.resolve('jose')));

const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const port = Number(process.env.BENCH_PORT), resource = 'urn:metafed:bench';
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: 'bench', client_secret: process.env.BENCH_SECRET, grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256' }],
  jwks: { keys: [{ ...await exportJWK(privateKey), alg: 'ES256', use: 'sig' }] },
  cookies: { keys: ['bench'] },
  scopes: ['task.read'],
  ttl: { ClientCredentials: 3600 },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: { enabled: true, defaultResource: () => resource, getResourceServerInfo: () => ({ scope: 'task.read', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }) },
  },
});
provider.listen(port, '127.0.0.1', () => process.send('ready'));
