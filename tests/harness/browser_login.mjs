// browser_login: a browser without scripts, by plain fetch: cookies by host, redirects followed inside the authorization server,
// forms filled in as they come. What leaves for a client's redirect_uri is given back, not requested.
//
//   const browser = new Browser(fleet.url);
//   const back = await browser.authorize(url, { username, password });     // URL of the client with ?code=... or ?error=...
import { createHmac } from 'node:crypto';
import assert from 'node:assert/strict';

const entities = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&#34;': '"', '&#39;': "'" };
export const unescape = (s) => s.replace(/&(amp|lt|gt|#34|#39);/g, (e) => entities[e]);
const attribute = (tag, name) => { const m = new RegExp(`\\s${name}="([^"]*)"`).exec(tag); return m ? unescape(m[1]) : undefined; };

// The forms of a page: { method, action, fields: { name: value }, buttons: [[name, value]] }.
export function forms(html) {
  return [...html.matchAll(/<form\b[^>]*>[\s\S]*?<\/form>/g)].map(([form]) => ({
    method: attribute(form, 'method').toUpperCase(),
    action: attribute(form, 'action'),
    fields: Object.fromEntries([...form.matchAll(/<input\b[^>]*>/g)].map(([i]) => [attribute(i, 'name'), attribute(i, 'value') ?? ''])),
    buttons: [...form.matchAll(/<button\b[^>]*>/g)].map(([b]) => [attribute(b, 'name'), attribute(b, 'value')]).filter(([n]) => n),
  }));
}
export const title = (html) => unescape(/<title>([^<]*)<\/title>/.exec(html)?.[1] ?? '');
export const heading = (html) => unescape(/<h1>([\s\S]*?)<\/h1>/.exec(html)?.[1] ?? '');
export const problem = (html) => unescape(/id="problem"[^>]*>([^<]*)</.exec(html)?.[1] ?? '');

// RFC 6238: the code of a secret (base32, as otpauth URIs have it) now; steps: so many half minutes later.
export function totp(secret, steps = 0, now = Date.now()) {
  const bits = [...secret.replace(/=+$/, '').toUpperCase()].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from(bits.match(/.{8}/g).map((b) => Number.parseInt(b, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(now / 30_000) + steps));
  const mac = createHmac('sha1', key).update(counter).digest();
  return String((mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export class Browser {
  constructor(origin, headers = {}) {
    this.origin = origin;
    this.headers = headers;       // of every request
    this.cookies = new Map();
    this.set = [];                // every Set-Cookie that came, as it came
  }

  // One request, no redirect followed: { status, headers, text, url, location }.
  async request(method, url, { form, headers = {} } = {}) {
    const at = new URL(url, this.origin);
    assert.equal(at.origin, this.origin, `not of the authorization server: ${at}`);
    const h = { accept: 'text/html', ...this.headers, ...headers };
    if (this.cookies.size > 0 && h.cookie === undefined) h.cookie = [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ');
    if (form) h['content-type'] = 'application/x-www-form-urlencoded';
    const r = await fetch(at, { method, headers: h, body: form ? new URLSearchParams(form).toString() : undefined, redirect: 'manual', signal: AbortSignal.timeout(30_000) });
    for (const line of r.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/;\s*/);
      const [name, value] = [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)];
      this.set.push(line);
      if (attributes.some((a) => /^max-age=0$/i.test(a))) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const location = r.headers.get('location');
    return { status: r.status, headers: r.headers, text: await r.text(), url: at.href, location: location && new URL(location, at).href };
  }

  // Follows redirects; where one leaves the authorization server, { left: URL }.
  async follow(r) {
    for (let i = 0; i < 10 && r.status >= 300 && r.status < 400; i++) {
      if (new URL(r.location).origin !== this.origin) return { ...r, left: r.location };
      r = await this.request('GET', r.location);
    }
    return r;
  }

  async get(url, o) { return this.follow(await this.request('GET', url, o)); }

  // The first form of a page, with these values, as a browser sends it.
  async submit(page, values = {}, o = {}) {
    const form = forms(page.text)[o.which ?? 0];
    assert.ok(form, `no form: ${page.status} ${page.text}`);
    const fields = { ...form.fields, ...values };
    if (form.method === 'GET') return this.get(`${form.action}?${new URLSearchParams(fields)}`, o);
    return this.follow(await this.request('POST', form.action, { form: fields, headers: { origin: this.origin, 'sec-fetch-site': 'same-origin', ...o.headers } }));
  }

  // From an address (of /oauth/authorize, of /oauth/device, ...) through all pages that come, until the browser leaves for
  // the client: that URL. otp: text or function. answer: "allow", "deny". A page that is neither of these ends it, too:
  // then the page is given back.
  async authorize(url, { username, password, otp, answer = 'allow' } = {}) {
    let page = await this.get(url);
    for (let i = 0; i < 8 && !page.left; i++) {
      const path = new URL(page.url).pathname;
      const fields = forms(page.text)[0]?.fields ?? {};
      if (page.status !== 200) return page;
      if (path === '/oauth/login') page = await this.submit(page, { username, password });
      else if (path === '/oauth/factor') page = await this.submit(page, { otp: typeof otp === 'function' ? otp() : otp });
      else if (path === '/oauth/consent' || (path === '/oauth/device' && 'csrf' in fields)) page = await this.submit(page, { answer });
      else return page;
    }
    return page.left ? new URL(page.left) : page;
  }

  // Signs in without a client.
  async login(credentials) { return this.authorize('/oauth/login', credentials); }
}
