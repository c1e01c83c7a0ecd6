import { h } from './dom.js';
import { link } from './state.js';
import { stacked, spark } from './charts.js';
import { list, panel, severity, endpointLink, endpointName, rowKey, dash, isRest, rest, notes } from './parts.js';
import { fits } from './findings.js';
import * as f from './format.js';

const slots = 6;
const recent = 10; // seconds that "now" is

export const queries = (q) => ({
  view: ['view', { ...q, rows: 10, points: 60, lists: 'services,endpoints,clients' }],
  now: ['view', { ...q, from: `-${recent}s`, to: '', rows: 1, points: 10, lists: 'none' }],
  findings: ['findings', {}],
});

// An endpoint keeps its colour while it is among the largest.
const colours = new Map();
function colour(rows) {
  const keys = rows.map(rowKey);
  for (const key of colours.keys()) if (!keys.includes(key)) colours.delete(key);
  for (const key of keys) {
    if (colours.has(key)) continue;
    const taken = new Set(colours.values());
    colours.set(key, [1, 2, 3, 4, 5, 6].find((n) => !taken.has(n)));
  }
}

export function series(v) {
  const named = v.endpoints.filter((r) => !isRest(r)).slice(0, slots);
  colour(named);
  const top = named.map((r) => ({ row: r, key: rowKey(r), values: r.bytes || [], slot: colours.get(rowKey(r)) }));
  top.sort((a, b) => a.slot - b.slot);
  const total = v.total.bytes || [];
  const rest = total.map((b, i) => Math.max(0, b - top.reduce((sum, one) => sum + (one.values[i] || 0), 0)));
  const restBytes = rest.reduce((a, b) => a + b, 0);
  if (restBytes > 0) top.push({ row: null, key: '(other)', values: rest, slot: 0, bytes: restBytes });
  return top;
}

export function render({ state, data, health, width, cursor, now }) {
  const v = health.live && !state.to ? upTo(data.view, now) : data.view;
  const chartWidth = Math.max(280, width >= 1000 ? width - 380 : width - 34);
  return [
    h('h1', { class: 'visually-hidden', tabindex: -1 }, 'Overview'),
    figures(v, health.live ? nowOf(data.now, now) : null),
    findings(state, data.findings.findings),
    chart(state, v, chartWidth, cursor),
    h('div', { class: 'two' },
      panel('Endpoints', h('a', { href: link(state, { view: 'endpoints' }) }, 'All'),
        list({ state, rows: v.endpoints, names: ['Endpoint', 'Endpoints'], shown: ['trend', 'rate', 'bytes', 'share'], more: v.more?.endpoints,
          first: (r) => [endpointLink(state, r, 'clients'), !isRest(r) && h('span', { class: 'under' }, r.service)], empty: nothing(state) })),
      h('div', { class: 'stack' },
        panel('Services', null,
          list({ state, rows: v.services, names: ['Service', 'Services'], shown: ['rate', 'bytes', 'share'], more: v.more?.services,
            first: (r) => isRest(r) ? rest('everything else') : h('a', { class: 'row', href: link(state, { view: 'endpoints', service: r.service, method: '', path: '' }) }, r.service || '(none)'), empty: nothing(state) })),
        panel('Clients', h('a', { href: link(state, { view: 'clients' }) }, 'All'),
          list({ state, rows: v.clients, names: ['Client', 'Clients'], shown: ['rate', 'bytes', 'share'], more: v.more?.clients,
            first: (r) => isRest(r) ? rest('everybody else') : h('a', { class: 'row path', href: link(state, { view: 'exchanges', client: r.client }) }, r.client), empty: nothing(state) })))),
    notes(v),
  ];
}

export const nothing = (state) =>
  state.search || state.service || state.client ? 'No traffic that fits the selection in this time.' : 'No HTTP traffic was seen in this time.';

// upTo lets the series of a view go on to now: what nothing came in for is part of the time.
function upTo(v, now) {
  const step = v.step_ns / 1e6;
  const from = Date.parse(v.from);
  const n = Math.min(Math.max(Math.floor((now - from) / step), v.total.bytes?.length || 0), 1000);
  const long = (r) => ({ ...r, bytes: [...(r.bytes || []), ...new Array(Math.max(0, n - (r.bytes?.length || 0))).fill(0)] });
  return { ...v, to: new Date(from + n * step).toISOString(), total: long(v.total), endpoints: v.endpoints.map(long) };
}

// nowOf is the mean of the last ten seconds, silent ones included. The steps are whole
// seconds, and the last one is not over.
function nowOf(v, now) {
  if (Date.parse(v.to) < now - recent * 1000) return { bytes: 0, requests: 0 };
  const seconds = Math.max(1, (now - Math.max(Date.parse(v.from), now - recent * 1000)) / 1000);
  return { bytes: (v.total.request_bytes + v.total.response_bytes) / seconds, requests: v.total.requests / seconds };
}

function figures(v, now) {
  const t = v.total;
  const one = (name, value, small, cls = '') => h('div', { class: 'figure ' + cls }, h('dt', {}, name), h('dd', {}, value, small && h('small', {}, small)));
  const errors = t.requests ? t.errors / t.requests : 0;
  return h('dl', { class: 'figures' },
    one(now ? 'Now' : 'Mean rate', f.byteRate(now ? now.bytes : t.byte_rate), spark(t.bytes || [], 132, 30), 'big'),
    one('Bytes', f.bytes(t.request_bytes + t.response_bytes), `${f.bytes(t.request_bytes)} in requests`),
    one('Requests', f.count(t.requests), f.rate(now ? now.requests : t.request_rate) + (now ? ' now' : '')),
    one('Errors', f.share(Math.min(1, errors)), f.count(t.errors) + ' of them'),
    one('Time, p99', dash(t.duration_p99, f.duration), 'median ' + dash(t.duration_p50, f.duration)),
    one('Response, p99', dash(t.size_p99, f.bytes), 'median ' + dash(t.size_p50, f.bytes)));
}

function findings(state, every) {
  const all = every.filter((x) => fits(state, x));
  if (!all.length) {
    return panel('Findings', null, h('p', { class: 'empty good' }, every.length ? `None of ${every.length} findings is about this selection.` : 'No waste was found in what has been seen so far.'));
  }
  const saves = all.reduce((sum, x) => sum + x.saves, 0);
  const share = Math.min(1, all.reduce((sum, x) => sum + x.share, 0));
  const shown = all.slice(0, 4);
  return panel('Findings', h('a', { href: link(state, { view: 'findings' }) }, all.length > shown.length ? `All ${all.length}` : 'Causes and remedies'),
    saves > 0 && h('p', { class: 'lead' }, 'Up to ', h('strong', {}, f.bytes(saves)), ` could be saved, ${f.share(share)} of all bytes.`),
    h('ul', { class: 'findings' }, shown.map((x) => h('li', { key: x.id },
      severity(x.severity),
      h('a', { class: 'row title', href: link(state, { view: 'findings' }) + '#' + encodeURIComponent(x.id) }, x.title),
      h('span', { class: 'saves num' }, x.saves ? [h('b', {}, f.bytes(x.saves)), ' ' + f.share(x.share)] : h('span', { class: 'dim' }, 'not measured'))))));
}

function chart(state, v, width, cursor) {
  const all = series(v);
  const from = Date.parse(v.from), to = Date.parse(v.to);
  const at = cursor >= 0 && cursor < (v.total.bytes || []).length ? cursor : -1;
  const step = v.step_ns / 1e6;
  const seconds = v.step_ns / 1e9;
  const when = at < 0 ? 'Mean' : `${f.time(from + at * step)} – ${f.time(from + (at + 1) * step)}`;
  const span = (to - from) / 1000 || 1;
  const value = (one) => (at < 0 ? (one.row ? one.row.byte_rate : one.bytes / span) : (one.values[at] || 0) / seconds);
  const peak = Math.max(0, ...(v.total.bytes || [])) / seconds;
  const label = `Bytes per second from ${f.time(from)} to ${f.time(to)}, by endpoint: ${f.byteRate(v.total.byte_rate)} in the mean, ${f.byteRate(peak)} at most.`;
  return panel('Bytes over time', h('span', { class: 'dim', 'aria-live': at < 0 ? 'off' : 'polite' }, when),
    h('div', { class: 'course' },
      h('div', { class: 'plot' }, stacked({ series: all, from, to, stepNs: v.step_ns, width, height: 252, label, cursor: at })),
      h('table', { class: 'legend' },
        h('caption', { class: 'visually-hidden' }, 'Rate by endpoint, ' + when),
        h('colgroup', {}, h('col'), h('col', { class: 'rate' })),
        h('thead', { class: 'visually-hidden' }, h('tr', {}, h('th', { scope: 'col' }, 'Endpoint'), h('th', { scope: 'col' }, 'Rate'))),
        h('tbody', {},
          all.map((one) => h('tr', { key: one.key },
            h('th', { scope: 'row' }, h('span', { class: 'swatch slot' + one.slot, 'aria-hidden': 'true' }),
              one.row ? h('a', { href: link(state, { view: 'clients', service: one.row.service, method: one.row.method, path: one.row.path }) }, endpointName(one.row)) : 'everything else'),
            h('td', { class: 'num' }, f.byteRate(value(one))))),
          h('tr', { key: 'total', class: 'sum' }, h('th', { scope: 'row' }, 'All'), h('td', { class: 'num' }, f.byteRate(at < 0 ? v.total.byte_rate : (v.total.bytes[at] || 0) / seconds)))))),
    h('details', { class: 'figures-table' }, h('summary', {}, 'Figures as a table'),
      h('div', { class: 'fit' }, h('table', { class: 'list' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Begins'), h('th', { scope: 'col', class: 'num' }, 'All'), all.map((one) => h('th', { scope: 'col', class: 'num w4' }, one.row ? one.row.method + ' ' + one.row.path : 'everything else')))),
        h('tbody', {}, (v.total.bytes || []).map((b, i) => h('tr', {}, h('th', { scope: 'row' }, f.time(from + i * step)), h('td', { class: 'num' }, f.byteRate(b / seconds)),
          all.map((one) => h('td', { class: 'num w4' }, f.byteRate((one.values[i] || 0) / seconds))))))))));
}
