// A real OpenID Connect provider for the test beside it: one client, one person, sign-in without
// questions. Prints one line of JSON once it listens. POST /control/* changes it from outside.
import { createServer } from 'node:http';
import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, modules, redirectUri, logoutUri] = process.argv.slice(2);
const found = createRequire(`${modules}/`).resolve('oidc-provider');
const { Provider } = await import(pathToFileURL(found));

const newKey = (kid) => ({
  ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
  kid, alg: 'ES256', use: 'sig',
});
const keys = [newKey('first')];
// Until the product is known by a key of its own.
let client = {
  client_secret: 'a secret that only the two of us know',
  token_endpoint_auth_method: 'client_secret_basic',
};
let handle = build();

function build() {
  const provider = new Provider(`http://localhost:${port}`, {
    clients: [{
      client_id: 'leanvibe',
      ...client,
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [new URL('/signed-out', redirectUri).href],
      grant_types: ['authorization_code'],
      response_types: ['code'],
      id_token_signed_response_alg: 'ES256',
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
    }],
    jwks: { keys },
    cookies: { keys: ['not a secret: this runs in a test'] },
    pkce: { required: () => true, methods: ['S256'] },
    scopes: ['openid', 'email', 'profile', 'groups'],
    claims: {
      openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'],
    },
    conformIdTokenClaims: false,
    features: {
      devInteractions: { enabled: false },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true },
    },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({
        sub: id, email: `${id}@peer.example`, email_verified: true, name: 'Ada Peer',
        groups: ['leads'],
      }),
    }),
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    httpOptions: () => ({ signal: AbortSignal.timeout(5000) }),
  });
  const callback = provider.callback();
  return async (request, response) => {
    if (!request.url.startsWith('/interaction/')) return callback(request, response);
    const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
    if (prompt.name === 'login') {
      return provider.interactionFinished(request, response, { login: { accountId: 'ada' } });
    }
    const grant = grantId ? await provider.Grant.find(grantId)
      : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    const result = { consent: { grantId: await grant.save() } };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: true });
  };
}

createServer((request, response) => {
  if (request.url === '/control/rotate') {
    keys.unshift(newKey(`key-${keys.length}`));
    handle = build();
    response.end('rotated');
    return;
  }
  if (request.url.startsWith('/control/keys?')) {
    const jwks_uri = decodeURIComponent(request.url.split('?')[1]);
    client = { jwks_uri, token_endpoint_auth_method: 'private_key_jwt' };
    handle = build();
    response.end(`keys are at ${jwks_uri}`);
    return;
  }
  handle(request, response);
}).listen(Number(port), 'localhost', () => console.log(JSON.stringify({ port })));
