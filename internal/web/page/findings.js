// The views of findings and of events.
import { h } from './dom.js';
import { link } from './state.js';
import { band } from './charts.js';
import { severity, endpointName, head } from './parts.js';
import * as f from './format.js';

export const findingQueries = () => ({ findings: ['findings', {}] });
export const eventQueries = () => ({ events: ['events', {}] });

export const fits = (state, x) =>
  (!state.service || x.service === state.service) && (!state.method || x.method === state.method) && (!state.path || x.path === state.path) &&
  (!state.client || (x.clients || []).includes(state.client)) &&
  [x.title, x.service, x.method, x.path, x.reason, ...(x.clients || [])].join(' ').toLowerCase().includes(state.search.toLowerCase());

const none = (all, good, word) => h('p', { class: 'empty good' }, all.length ? `None of ${all.length} ${word} fits the selection.` : good);

export function renderFindings({ state, data, now }) {
  const all = data.findings.findings;
  const shown = all.filter((x) => fits(state, x));
  return [
    head('Findings', h('p', { class: 'summary' }, 'Of the whole run, whatever time is chosen; what saves the most comes first.')),
    shown.length ? shown.map((x) => one(state, x, now)) : none(all, 'No waste was found in what has been seen so far.', 'findings'),
  ];
}

function one(state, x, now) {
  const at = { service: x.service || '', method: x.method || '', path: x.path || '', client: '', search: '' };
  return h('article', { class: 'panel finding ' + x.severity, key: x.id, id: x.id, 'aria-labelledby': x.id + '-title' },
    h('header', {},
      h('div', {}, severity(x.severity), h('h2', { id: x.id + '-title' }, x.title)),
      h('p', { class: 'saves' }, x.saves ? [h('b', {}, f.bytes(x.saves)), h('span', {}, `could be saved, ${f.share(x.share)}`)] : h('span', {}, 'savings not measured'))),
    h('div', { class: 'cause' },
      h('div', { class: 'left' }, h('section', {}, h('h3', {}, 'What to do'), h('p', { class: 'remedy' }, x.remedy),
        h('p', { class: 'go' },
          (x.service || x.path) && h('a', { class: 'row', href: link(state, { ...at, view: 'clients' }) }, 'Its clients'),
          h('a', { class: 'row', href: link(state, { ...at, view: 'exchanges' }) }, 'Its exchanges'),
          h('span', { class: 'dim' }, `seen from ${f.time(x.first, new Date(now))} to ${f.time(x.last, new Date(now))}`))),
      x.clients?.length > 0 && h('section', {}, h('h3', {}, 'Clients'), h('ul', { class: 'inline' }, x.clients.map((c) =>
        h('li', {}, h('a', { class: 'path', href: link(state, { ...at, client: c, view: 'exchanges' }) }, c)))))),
      x.evidence?.length > 0 && h('section', {}, h('h3', {}, 'Evidence'), h('dl', { class: 'evidence' }, x.evidence.map((e) => h('div', {}, h('dt', {}, e.name), h('dd', {}, e.value)))))),
    x.examples?.length > 0 && h('section', { class: 'examples' }, h('h3', {}, 'Examples'),
      h('div', { class: 'fit' }, h('table', { class: 'list log' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'when w2' }, 'Time'), h('th', { scope: 'col', class: 'who w3' }, 'Client'), h('th', { scope: 'col', class: 'request' }, 'Request'), h('th', { scope: 'col', class: 'status' }, 'Status'), h('th', { scope: 'col', class: 'num size' }, 'Bytes'), h('th', { scope: 'col', class: 'num took w2' }, 'Time'))),
        h('tbody', {}, x.examples.map((e) => h('tr', {}, h('td', { class: 'when w2' }, f.time(e.time)), h('td', { class: 'path who w3' }, e.client), h('td', { class: 'path request' }, h('span', { class: 'method' }, e.method), ' ', e.target, h('span', { class: 'under narrow' }, f.time(e.time) + ' · ' + e.client)),
          h('td', { class: 'status' }, e.status || '–'), h('td', { class: 'num size' }, f.bytes(e.request_bytes + e.response_bytes)), h('td', { class: 'num took w2' }, f.duration(e.duration_ns)))))))));
}

const measures = { requests: ['Requests', f.rate], bytes: ['Bytes', f.byteRate], size: ['Size of responses', f.bytes], duration: ['Time of answers', f.duration], errors: ['Errors', f.share] };

export function renderEvents({ state, data, now }) {
  const all = data.events.events;
  const shown = all.filter((x) => fits(state, x));
  return [
    head('Events', h('p', { class: 'summary' }, 'When an endpoint left the band that its own past forecasts; the latest first.')),
    shown.length ? h('ol', { class: 'events panel' }, shown.map((x) => event(state, x, now)))
      : none(all, 'Nothing has departed from what was expected. A forecast needs some time of traffic first.', 'events'),
  ];
}

function event(state, x, now) {
  const [name, text] = measures[x.measure] || [x.measure, f.count];
  const over = Boolean(x.end) && !x.end.startsWith('0001');
  return h('li', { key: [x.time, x.service, x.method, x.path, x.measure].join(' ') },
    h('div', { class: 'when' }, h('time', { datetime: x.time }, f.time(x.time, new Date(now))), h('span', { class: over ? 'dim' : 'going' }, over ? `for ${f.span((Date.parse(x.end) - Date.parse(x.time)) / 1000)}` : 'goes on')),
    h('div', { class: 'what' },
      h('a', { class: 'row', href: link(state, { view: 'clients', service: x.service, method: x.method, path: x.path }) }, x.path || x.method ? endpointName(x) : x.service), h('span', { class: 'under' }, x.service),
      h('p', {}, x.reason)),
    h('div', { class: 'how' }, h('span', { class: 'dim' }, name), band(x.value, x.low, x.high, `${name}: ${text(x.value)}; ${text(x.low)} to ${text(x.high)} expected`),
      h('span', {}, h('b', {}, text(x.value)), h('span', { class: 'dim' }, `, expected ${text(x.low)} – ${text(x.high)}`))));
}
