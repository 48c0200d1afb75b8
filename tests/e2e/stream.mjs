// stream: server-sent events as bytes: what comes is taken apart as the standard (WHATWG HTML, 9.2.6) says.
import http from 'node:http';

export class Stream {
  static #all = new Set();
  static closeAll() { for (const s of Stream.#all) s.close(); }

  // Resolves when the head is there. status other than 200: text has the body.
  static open(f, { query = '', token = f.token, last, method = 'GET', headers = {}, port = f.port } = {}) {
    const s = new Stream();
    s.events = []; // not taken yet
    s.comments = 0;
    s.text = '';
    s.waiting = [];
    Stream.#all.add(s);
    return new Promise((resolve, reject) => {
      s.request = http.request({ host: '127.0.0.1', port, method, path: `/v1/events${query}`, agent: false,
        headers: { accept: 'text/event-stream', ...(token && { authorization: `Bearer ${token}` }), ...(last !== undefined && { 'last-event-id': last }), ...headers } });
      s.request.on('error', (e) => { s.#end(e); reject(e); });
      s.request.on('response', (r) => {
        s.response = r;
        s.status = r.statusCode;
        s.headers = r.headers;
        s.closed = new Promise((done) => r.on('close', () => { s.#end(null); done(r.complete); }));
        r.setEncoding('utf8');
        r.on('error', () => {});
        if (s.status !== 200) r.on('data', (d) => { s.text += d; }).on('end', () => { try { s.json = JSON.parse(s.text); } catch { /* none */ } resolve(s); });
        else { r.on('data', (d) => s.#take(d)); resolve(s); }
      });
      s.request.end();
    });
  }

  #take(data) {
    this.text += data;
    for (let end; (end = this.text.indexOf('\n\n')) >= 0; this.text = this.text.slice(end + 2)) {
      const e = { event: 'message' }, lines = [];
      for (const line of this.text.slice(0, end).split('\n')) {
        const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (name === '') this.comments++;
        else if (name === 'data') lines.push(value);
        else if (name === 'retry') this.retry = Number(value);
        else if (name === 'id') this.last = e.id = value;
        else if (name === 'event') e.event = value;
        else throw new Error(`a line that is none: ${line}`);
      }
      if (!lines.length) continue;
      e.data = JSON.parse(lines.join('\n'));
      this.events.push(e);
    }
    this.#wake();
  }

  #end(e) { this.over = true; this.error = e; this.#wake(); }

  #wake() {
    for (const w of [...this.waiting]) {
      const i = this.events.findIndex(w.fits);
      if (i < 0 && !this.over) continue;
      this.waiting.splice(this.waiting.indexOf(w), 1);
      clearTimeout(w.timer);
      if (i < 0) w.reject(new Error('the stream is over'));
      else w.resolve(this.events.splice(i, 1)[0]);
    }
  }

  // The first event, not taken yet, with this name (or that this function takes).
  next(like = () => true, limit = 15_000) {
    const fits = typeof like === 'function' ? like : (e) => e.event === like;
    return new Promise((resolve, reject) => {
      const w = { fits, resolve, reject };
      w.timer = setTimeout(() => { this.waiting.splice(this.waiting.indexOf(w), 1); reject(new Error(`no ${like} within ${limit} ms; there is ${JSON.stringify(this.events).slice(0, 800)}`)); }, limit);
      this.waiting.push(w);
      this.#wake();
    });
  }

  close() { Stream.#all.delete(this); this.request.destroy(); }
}
