// docs: draws /openapi.json. Nothing is loaded from elsewhere, and text becomes text, never markup.
'use strict';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
let doc;

function el(name, attributes, ...children) {
	const e = document.createElement(name);
	for (const [k, v] of Object.entries(attributes ?? {}))
		e.setAttribute(k, v);
	e.append(...children.filter((c) => c !== null && c !== undefined));
	return e;
}

// `code` in a description is shown as such.
function prose(text) {
	return (text ?? '').split('`').map((part, i) => (i % 2 ? el('code', {}, part) : part));
}

function resolve(v) {
	while (v?.$ref)
		v = v.$ref.slice(2).split('/').reduce((at, key) => at[key], doc);
	return v;
}

const nameOf = (schema) => schema?.$ref?.split('/').pop();

// A schema in one line, as far as that goes.
function brief(schema) {
	if (schema.$ref)
		return nameOf(schema);
	if (schema.enum)
		return schema.enum.map((v) => JSON.stringify(v)).join(' | ');
	if (schema.const !== undefined)
		return JSON.stringify(schema.const);
	if (schema.oneOf)
		return schema.oneOf.map(brief).join(' | ');
	if (schema.type === 'array')
		return `${schema.items ? brief(schema.items) : 'any'}[]`;
	const type = [].concat(schema.type ?? 'any').join(' | ');
	const limits = [['minimum', '>='], ['maximum', '<='], ['minLength', 'length >='], ['maxLength', 'length <=']]
		.filter(([k]) => schema[k] !== undefined).map(([k, sign]) => `${sign} ${schema[k]}`);
	return [schema.format ? `${type} (${schema.format})` : type, ...limits].join(', ');
}

function table(head, rows) {
	return el('table', {}, el('thead', {}, el('tr', {}, ...head.map((h) => el('th', { scope: 'col' }, h)))),
		el('tbody', {}, ...rows.map((r) => el('tr', {}, ...r.map((c) => el('td', {}, ...[].concat(c)))))));
}

function fields(schema) {
	const s = resolve(schema);
	if (!s?.properties)
		return el('p', {}, brief(schema));
	return table(['Field', 'Type', ''], Object.entries(s.properties).map(([name, p]) => [
		el('code', {}, name), [brief(p), s.required?.includes(name) ? ' (required)' : ''], prose(p.description ?? resolve(p).description)]));
}

const pretty = (v) => (typeof v === 'string' ? v : JSON.stringify(v, null, 2));

function examples(media) {
	const all = media.examples ? Object.values(media.examples).map((e) => e.value) : media.example === undefined ? [] : [media.example];
	return all.map((v) => el('pre', {}, pretty(v)));
}

function content(of) {
	return Object.entries(of ?? {}).flatMap(([type, media]) => [
		el('p', {}, el('code', {}, type), nameOf(media.schema) ? ` ${nameOf(media.schema)}` : ''),
		media.schema ? el('details', {}, el('summary', {}, 'Fields'), fields(media.schema)) : null,
		...examples(media)]);
}

function responses(of) {
	return Object.entries(of).map(([status, r]) => {
		const one = resolve(r);
		return el('details', status[0] === '2' ? { open: '' } : {}, el('summary', {}, el('b', {}, status), ' ', ...prose(one.description)),
			...(one.headers ? [table(['Header', ''], Object.entries(one.headers).map(([n, h]) => [el('code', {}, n), prose(resolve(h).description)]))] : []),
			...content(one.content));
	});
}

function operation(path, method, op) {
	const parameters = (op.parameters ?? []).map(resolve);
	return el('article', { id: op.operationId },
		el('h3', {}, el('span', { class: 'method' }, method.toUpperCase()), el('code', {}, path)),
		op.deprecated ? el('p', {}, el('b', {}, `Deprecated since ${op['x-deprecated-since']}`), op['x-sunset'] ? `; ends on ${op['x-sunset']}.` : '.') : null,
		el('p', {}, el('b', {}, op.summary), '. ', ...prose(op.description)),
		parameters.length ? table(['Parameter', 'In', 'Type', ''], parameters.map((p) => [
			el('code', {}, p.name), p.in, [brief(p.schema), p.required ? ' (required)' : ''], prose(p.description)])) : null,
		op.requestBody ? el('h4', {}, 'Request') : null, ...content(op.requestBody?.content),
		el('h4', {}, 'Answers'), ...responses(op.responses));
}

function draw() {
	const contents = document.getElementById('contents'), main = document.getElementById('operations');
	document.title = document.getElementById('title').textContent = `${doc.info.title} ${doc.info.version}`;
	document.getElementById('about').replaceChildren(...prose(doc.info.description));
	main.replaceChildren();
	for (const tag of doc.tags) {
		contents.append(el('h2', {}, tag.name));
		main.append(el('h2', {}, tag.name), el('p', {}, ...prose(tag.description)));
		for (const [path, item] of Object.entries(doc.paths))
			for (const method of METHODS)
				if (item[method]?.tags.includes(tag.name)) {
					contents.append(el('a', { href: `#${item[method].operationId}` }, item[method].summary));
					main.append(operation(path, method, item[method]));
				}
	}
	if (location.hash)
		document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

fetch('/openapi.json').then((r) => {
	if (!r.ok)
		throw new Error(`status ${r.status}`);
	return r.json();
}).then((v) => {
	doc = v;
	draw();
}).catch((e) => {
	document.getElementById('operations').replaceChildren(el('p', {}, `/openapi.json could not be read: ${e.message}`));
});
