// The view of exchanges as they come. What is kept here is what came since the selection
// was made, and a little before.
import { h } from './dom.js';
import { link } from './state.js';
import { head } from './parts.js';
import * as f from './format.js';

const kept = 400;

export const statuses = [['', 'All'], ['errors', 'Errors'], ['incomplete', 'Incomplete']];

// Feed is what has come.
export class Feed {
  rows = [];
  last = 0;
  fresh = 0; // came while it was held
  open = new Set();
  held = [];

  constructor(mark) {
    this.mark = mark;
  }

  take(answer, hold) {
    if (this.started && this.started !== answer.started) {
      this.rows = [];
      this.held = [];
      this.last = 0;
    }
    this.started = answer.started;
    if (answer.exchanges.length) this.last = Math.max(this.last, answer.exchanges[0].seq);
    this.held = [...answer.exchanges, ...this.held].slice(0, kept);
    if (hold && this.rows.length) {
      this.fresh = this.held.length;
      return;
    }
    this.release();
  }

  release() {
    this.rows = [...this.held, ...this.rows].slice(0, kept);
    this.held = [];
    this.fresh = 0;
  }
}

export const isError = (x) => x.status >= 400 || (x.code ?? 0) !== 0 || !x.complete;

const wanted = { '': () => true, errors: isError, incomplete: (x) => !x.complete };

export function render({ state, feed, paused }) {
  const rows = feed.rows.filter(wanted[state.status] || wanted['']);
  return [
    head('Exchanges', h('div', { class: 'summary' },
      h('nav', { class: 'choice', 'aria-label': 'Which exchanges' }, statuses.map(([id, text]) =>
        h('a', { href: link(state, { status: id }), 'aria-current': id === state.status ? 'true' : null }, text))),
      h('p', { class: 'dim hold' }, feed.fresh > 0
        ? [h('button', { type: 'button', 'data-action': 'release' }, `Show ${feed.fresh >= kept ? kept + ' or more' : feed.fresh} new`), paused ? '' : ' Held while you read.']
        : paused ? 'Paused.' : 'New ones come on top; the list holds still while you are in it.'))),
    h('section', { class: 'panel', 'aria-label': 'Exchanges' },
      rows.length ? h('div', { class: 'fit' }, h('table', { class: 'list log' },
        h('caption', { class: 'visually-hidden' }, 'Exchanges, the latest first'),
        h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'when w2' }, 'Time'), h('th', { scope: 'col', class: 'who w3' }, 'Client'), h('th', { scope: 'col', class: 'service w4' }, 'Service'),
          h('th', { scope: 'col', class: 'request' }, 'Request'), h('th', { scope: 'col', class: 'status' }, 'Status'), h('th', { scope: 'col', class: 'num size' }, 'Bytes'), h('th', { scope: 'col', class: 'num took w2' }, 'Took'))),
        h('tbody', { 'data-hold': true }, rows.map((x) => row(x, feed.open.has(x.seq))))))
        : h('p', { class: 'empty' }, feed.rows.length ? 'None of those that are listed fits.' : 'No exchange fits the selection yet. Those that end from now on will show here.')),
  ];
}

function row(x, open) {
  const status = x.complete ? String(x.status || '–') + (x.code ? ` grpc ${x.code}` : '') : 'incomplete';
  const main = h('tr', { key: 'x' + x.seq, class: isError(x) ? 'err' : null },
    h('td', { class: 'when w2' }, f.time(x.time)), h('td', { class: 'path who w3' }, x.client), h('td', { class: 'service w4' }, x.service),
    h('td', { class: 'request' }, h('button', { type: 'button', class: 'row path', 'data-action': 'open', 'data-seq': x.seq, 'aria-expanded': String(open) },
      h('span', { class: 'method' }, x.method || '–'), ' ', x.target || x.path || '(none)'),
      h('span', { class: 'under narrow' }, f.time(x.time) + ' · ' + x.client)),
    h('td', { class: 'status' }, status), h('td', { class: 'num size' }, f.bytes(x.request_bytes + x.response_bytes)), h('td', { class: 'num took w2' }, f.duration(x.duration_ns)));
  if (!open) return [main];
  const pair = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value));
  return [main, h('tr', { key: 'd' + x.seq, class: 'detail' }, h('td', { colspan: 7 }, h('dl', { class: 'evidence' },
    pair('Target', x.target), pair('Endpoint', `${x.service} ${x.method} ${x.path}`), pair('Client', x.client), pair('Server', x.server), pair('Protocol', x.protocol),
    pair('Request', f.exact(x.request_bytes) + ' B'), pair('Response', f.exact(x.response_bytes) + ' B'), pair('Took', f.duration(x.duration_ns)),
    pair('Time', x.time), pair('Connection', String(x.conn)), pair('Number', String(x.seq)))))];
}
