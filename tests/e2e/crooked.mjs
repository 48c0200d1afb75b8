// crooked: an OpenID provider of a test's own, on the loopback, which says what it is told to: any ID token, any answer of any
// endpoint. There is no log-in page: the test plays the browser and makes up the code.
//
//   const p = await Crooked.start();
//   p.claims = (nonce) => ({ ... });           // changes of the ID token's claims
//   p.once = true;                             // a code counts once, as it should
//   p.answers.set('/token', (q, r) => ...);    // instead of the endpoint's own answer
import http from 'node:http';
import https from 'node:https';
import * as jose from 'jose';

export class Crooked {
  // tls: { key, cert }: then it is https://localhost.
  static async start(alg = 'ES256', tls = undefined) {
    const p = new Crooked();
    const serve = (q, r) => p.serve(q, r).catch((e) => { r.statusCode = 500; r.end(String(e)); });
    p.server = tls ? https.createServer(tls, serve) : http.createServer(serve);
    await new Promise((resolve) => { p.server.listen(0, tls ? undefined : '127.0.0.1', resolve); });
    p.issuer = `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${p.server.address().port}`;
    Object.assign(p, { alg, asked: [], answers: new Map(), claims: () => ({}), header: {}, nonces: new Map(), meta: {} });
    await p.rotate();
    return p;
  }

  stop() { this.server.closeAllConnections(); return new Promise((resolve) => { this.server.close(resolve); }); }

  // A new key in the place of the others.
  async rotate() {
    this.pair = await jose.generateKeyPair(this.alg, { extractable: true });
    this.jwk = { ...await jose.exportJWK(this.pair.publicKey), use: 'sig', alg: this.alg };
    this.jwk.kid = await jose.calculateJwkThumbprint(this.jwk);
  }

  count(path) { return this.asked.filter((p) => p === path).length; }

  // What the browser would have brought back: the code that stands for the nonce of this address.
  code(url) {
    const code = `code-${this.nonces.size}`;
    this.nonces.set(code, url.searchParams.get('nonce'));
    return code;
  }

  async idToken(nonce) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: this.issuer, sub: 'mallory', aud: 'metafed', exp: now + 300, iat: now, nonce, ...this.claims(nonce) };
    for (const [k, v] of Object.entries(claims)) if (v === undefined) delete claims[k];
    return new jose.SignJWT(claims).setProtectedHeader({ alg: this.alg, kid: this.jwk.kid, ...this.header }).sign(this.signer ?? this.pair.privateKey);
  }

  async serve(q, r) {
    const { pathname } = new URL(q.url, this.issuer);
    const parts = [];
    for await (const d of q) parts.push(d);
    this.asked.push(pathname);
    this.last = { headers: q.headers, form: new URLSearchParams(Buffer.concat(parts).toString()) };
    if (this.answers.has(pathname)) return this.answers.get(pathname)(q, r);
    const json = (v) => { r.setHeader('content-type', 'application/json'); r.end(JSON.stringify(v)); };
    if (pathname === '/.well-known/openid-configuration') {
      return json({ issuer: this.issuer, authorization_endpoint: `${this.issuer}/auth`, token_endpoint: `${this.issuer}/token`, jwks_uri: `${this.issuer}/jwks`,
        response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: [this.alg],
        authorization_response_iss_parameter_supported: true, ...this.meta });
    }
    if (pathname === '/jwks') return json({ keys: [this.jwk] });
    if (pathname === '/token') {
      const nonce = this.nonces.get(this.last.form.get('code'));
      if (this.once) this.nonces.set(this.last.form.get('code'), undefined);
      if (nonce === undefined) { r.statusCode = 400; return json({ error: 'invalid_grant' }); }
      return json({ access_token: 'at', token_type: 'Bearer', id_token: await (this.made?.(nonce) ?? this.idToken(nonce)) });
    }
    r.statusCode = 404;
    return r.end();
  }
}
