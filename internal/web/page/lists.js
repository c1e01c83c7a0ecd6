// The views of endpoints and of clients.
import { h } from './dom.js';
import { link } from './state.js';
import { histogram, spark } from './charts.js';
import { list, panel, endpointLink, isRest, rest, notes, head, dash } from './parts.js';
import { nothing } from './overview.js';
import * as f from './format.js';

export const endpointQueries = (q) => ({ view: ['view', { ...q, rows: 200, points: 40, lists: 'endpoints,sizes,durations' }] });

const groups = [['', 'Addresses', 'clients'], ['network', 'Networks', 'networks'], ['service', 'By service', 'pairs']];

export const clientQueries = (q, state) => ({
  view: ['view', { ...q, rows: 200, points: 40, lists: groups.find(([id]) => id === state.group)?.[2] || 'clients' }],
});

const counted = ['trend', 'bytes', 'share', 'rate', 'requests', 'requestRate', 'errors']; // sizes and times are not kept by client
const all = ['trend', 'bytes', 'share', 'rate', 'requests', 'requestRate', 'errors', 'size50', 'size99', 'time50', 'time99'];

function summary(v, word) {
  const t = v.total;
  return h('p', { class: 'summary' }, spark(t.bytes || [], 132, 26), h('span', {}, h('strong', {}, f.bytes(t.request_bytes + t.response_bytes)), ` in ${f.count(t.requests)} requests, `,
    f.byteRate(t.byte_rate), ' in the mean', word ? ', ' + word : '', '.'));
}

export function renderEndpoints({ state, data, width }) {
  const v = data.view;
  const half = Math.max(260, Math.min(560, width >= 800 ? (width - 100) / 2 : width - 34));
  const t = v.total;
  return [
    head('Endpoints', summary(v, f.share(t.requests ? Math.min(1, t.errors / t.requests) : 0) + ' errors')),
    h('section', { class: 'panel', 'aria-label': 'Endpoints' },
      list({ state, rows: v.endpoints, names: ['Endpoint', 'Endpoints'], shown: all, sortable: true, more: v.more?.endpoints, empty: nothing(state),
        first: (r) => [endpointLink(state, r, 'clients'), state.service || isRest(r) ? null : h('a', { class: 'under', href: link(state, { service: r.service }) }, r.service)] })),
    (v.sizes || []).length > 0 && h('div', { class: 'halves' },
      panel('Size of responses', h('span', { class: 'dim' }, `p50 ${dash(t.size_p50, f.bytes)}, p99 ${dash(t.size_p99, f.bytes)}`),
        histogram({ bins: v.sizes || [], text: f.bytes, width: half, label: `Sizes of response bodies: half are at most ${f.bytes(t.size_p50)}, 99 % at most ${f.bytes(t.size_p99)}.` })),
      panel('Time of answers', h('span', { class: 'dim' }, `p50 ${dash(t.duration_p50, f.duration)}, p99 ${dash(t.duration_p99, f.duration)}`),
        histogram({ bins: v.durations || [], text: f.duration, width: half, label: `Times of answers: half take at most ${f.duration(t.duration_p50)}, 99 % at most ${f.duration(t.duration_p99)}.` }))),
    notes(v),
  ];
}

export function renderClients({ state, data }) {
  const v = data.view;
  const [group, title, name] = groups.find(([id]) => id === state.group) || groups[0];
  const rows = v[name] || [];
  const first = (r) => isRest(r) ? rest('everybody else') : group === 'network' ? h('span', { class: 'path' }, r.client)
    : [h('a', { class: 'row path', href: link(state, { view: 'exchanges', client: r.client, ...(r.service ? { service: r.service } : {}) }) }, r.client),
      r.service && h('span', { class: 'under' }, r.service)];
  return [
    head('Clients', summary(v)),
    h('section', { class: 'panel', 'aria-label': 'Clients' },
      h('nav', { class: 'choice', 'aria-label': 'Clients by' }, groups.map(([id, text]) =>
        h('a', { href: link(state, { group: id }), 'aria-current': id === group ? 'true' : null }, text))),
      list({ state, rows, names: ['Client', title === 'By service' ? 'Pairs of client and service' : title], shown: counted, sortable: true, more: v.more?.[name], empty: nothing(state), first })),
    notes(v),
  ];
}
