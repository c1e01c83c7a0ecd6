// Parts that several views are made of.
import { h } from './dom.js';
import { link } from './state.js';
import { spark, shareBar } from './charts.js';
import * as f from './format.js';

export const endpointName = (r) => [h('span', { class: 'method' }, r.method || '–'), ' ', h('span', { class: 'path' }, r.path || '(none)')];

export const rowKey = (r) => [r.service, r.method, r.path, r.client, r.status].join('\u0000');

// 0 stands for a figure that is not kept.
export const dash = (v, text) => (v > 0 ? text(v) : '–');

// What has no row of its own, or more in that row, is a sum that leads nowhere.
export const isRest = (r) => [r.service, r.path, r.client].includes('(rest)');
export const rest = (text) => h('span', { class: 'dim' }, text);

// columns of lists. cell makes the content; order is what is sorted by; from is the
// smallest width of the table, in classes of the style sheet, at which it is shown.
export const columns = {
  trend: { name: 'Trend', from: 'w3', cell: (r) => spark(r.bytes || []), label: 'Bytes over time' },
  bytes: { name: 'Bytes', numeric: true, order: (r) => r.request_bytes + r.response_bytes, cell: (r) => [r.partial && h('span', { class: 'dim', title: 'At least: it was not kept by name all the time' }, '≥ '), f.bytes(r.request_bytes + r.response_bytes)] },
  share: { name: 'Share', numeric: true, order: (r) => r.share, cell: (r) => [f.share(r.share), shareBar(r.share)] },
  rate: { name: 'Rate', numeric: true, from: 'w2', order: (r) => r.byte_rate, cell: (r) => f.byteRate(r.byte_rate) },
  requests: { name: 'Requests', numeric: true, from: 'w3', order: (r) => r.requests, cell: (r) => f.count(r.requests) },
  requestRate: { name: 'Req/s', numeric: true, from: 'w2', order: (r) => r.request_rate, cell: (r) => f.rate(r.request_rate) },
  errors: { name: 'Errors', numeric: true, from: 'w3', order: (r) => r.errors / (r.requests || 1),
    cell: (r) => h('span', { class: r.errors / (r.requests || 1) > 0.05 ? 'bad' : r.errors ? '' : 'dim' }, f.share(r.requests ? Math.min(1, r.errors / r.requests) : 0)) },
  size50: { name: 'Size p50', numeric: true, from: 'w4', order: (r) => r.size_p50, cell: (r) => dash(r.size_p50, f.bytes) },
  size99: { name: 'Size p99', numeric: true, from: 'w4', order: (r) => r.size_p99, cell: (r) => dash(r.size_p99, f.bytes) },
  time50: { name: 'Time p50', numeric: true, from: 'w4', order: (r) => r.duration_p50, cell: (r) => dash(r.duration_p50, f.duration) },
  time99: { name: 'Time p99', numeric: true, from: 'w3', order: (r) => r.duration_p99, cell: (r) => dash(r.duration_p99, f.duration) },
};

// list is a table of rows. first makes the first cell, names what the rows are.
export function list({ state, rows, first, names, shown, more, sortable, empty }) {
  const chosen = shown.map((id) => [id, columns[id]]);
  const [by, up] = state.sort && sortable ? [state.sort.replace(/^-/, ''), state.sort[0] === '-'] : ['bytes', false];
  let sorted = rows;
  if (sortable && columns[by]?.order && state.sort) {
    sorted = [...rows].sort((a, b) => columns[by].order(b) - columns[by].order(a));
    if (up) sorted.reverse();
  }
  if (!rows.length) return h('p', { class: 'empty' }, empty);
  const head = ([id, c]) => {
    const here = by === id && c.order;
    const turn = sortable && c.order
      ? h('a', { href: link(state, { sort: here && !up ? '-' + id : id === 'bytes' ? '' : id }), 'data-sort': id }, h('span', { class: 'arrow', 'aria-hidden': 'true' }, here ? (up ? '↑ ' : '↓ ') : ''), c.name)
      : c.name;
    return h('th', { scope: 'col', class: [c.numeric && 'num', c.from, 'col-' + id].filter(Boolean).join(' '), 'aria-sort': sortable && here ? (up ? 'ascending' : 'descending') : null, title: c.label }, turn);
  };
  return h('div', { class: 'fit' },
    h('table', { class: shown.length < 9 && shown.length > 4 ? 'list few' : 'list' },
      h('caption', { class: 'visually-hidden' }, names[1] + ' by ' + (columns[by]?.name || 'bytes').toLowerCase()),
      h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'name' }, names[0]), chosen.map(head))),
      h('tbody', {}, sorted.map((r) => h('tr', { key: rowKey(r) },
        h('th', { scope: 'row', class: 'name' }, first(r)),
        chosen.map(([id, c]) => h('td', { class: [c.numeric && 'num', c.from, 'col-' + id].filter(Boolean).join(' ') }, c.cell(r))))))),
    more > 0 && h('p', { class: 'more' }, `${f.exact(more)} more ${names[1].toLowerCase()} are not shown` + (sortable ? '; these are the ones with the most bytes.' : '.')));
}

export const notes = (v) => v.notes?.length > 0 && h('ul', { class: 'notes', 'aria-label': 'Notes' }, v.notes.map((n) => h('li', {}, n)));

// head is the title of a view and what it comes to.
export const head = (title, ...summary) => h('div', { class: 'head' }, h('h1', { tabindex: -1 }, title), ...summary);

export const panel = (title, extra, ...body) =>
  h('section', { class: 'panel', 'aria-label': title }, h('header', {}, h('h2', {}, title), extra), ...body);

export const severityWord = { critical: 'Critical', warning: 'Warning', info: 'Note' };

export const severity = (name) => h('span', { class: 'severity ' + name }, severityWord[name] || name);

export const endpointLink = (state, r, view) => isRest(r) ? rest('everything else') :
  h('a', { class: 'row', href: link(state, { view, service: r.service, method: r.method, path: r.path }) }, endpointName(r));
