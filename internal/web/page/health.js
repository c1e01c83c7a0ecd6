// The view of the agent itself: what it costs and what it lost.
import { h } from './dom.js';
import { meter } from './charts.js';
import { panel, head } from './parts.js';
import * as f from './format.js';

export const queries = () => ({});

const stages = { kernel: 'Kernel', file: 'File', reassembly: 'Reassembly', insight: 'Insight', output: 'Outputs', recorder: 'Recorder', queue: 'Queue', process: 'Filters', 'record-output': 'Targets' };

export function render({ health: x }) {
  const fact = (name, value, extra) => h('div', {}, h('dt', {}, name), h('dd', {}, value, extra));
  const cores = (v) => f.share(v) + ' of a core';
  const up = (Date.parse(x.now) - Date.parse(x.started)) / 1000;
  return [
    head('Agent', h('p', { class: 'summary' }, `gortap ${x.version} on ${x.host || 'this machine'}, up ${f.span(up)}; ${x.source}.`)),
    !x.ready && h('p', { class: 'banner' }, `Not ready: ${x.reason || 'not capturing yet'}.`),
    x.level && x.level !== 'full' && h('p', { class: 'banner' }, `The agent copies less (${x.level}) to stay within its limits. Bytes are counted exactly; requests, findings and exchanges are of ${f.share(x.sample)} of the connections.`),
    h('div', { class: 'halves' },
      panel('What it costs', null, h('dl', { class: 'facts' },
        fact('CPU', cores(x.cpu_cores), x.cpu_limit_cores ? [' of ' + f.share(x.cpu_limit_cores), meter(x.cpu_cores / x.cpu_limit_cores, 'CPU of its limit', x.cpu_cores > x.cpu_limit_cores)] : null),
        fact('Memory', f.bytes(x.memory_bytes), x.memory_limit_bytes ? [' of ' + f.bytes(x.memory_limit_bytes), meter(x.memory_bytes / x.memory_limit_bytes, 'Memory of its limit', x.memory_bytes > x.memory_limit_bytes)] : null),
        x.live && fact('Fullest ring', f.share(x.ring_fill), meter(x.ring_fill, 'Fill of the fullest ring', x.ring_fill > 0.8)),
        fact('Connections', f.exact(x.connections), x.live ? ` followed, ${f.exact(x.flows)} flows in the kernel` : ' followed'),
        x.live && fact('Copied from', f.share(x.sample), ' of new connections'),
        fact('Level', x.level || '–', x.level_changes ? ` after ${x.level_changes} changes` : ''),
        (x.degraded || []).map((d) => fact('At ' + d.level, f.span(d.seconds))))),
      panel('What became of the packets', null,
        h('div', { class: 'fit' }, h('table', { class: 'list balance' },
          h('caption', { class: 'visually-hidden' }, 'Packets that matched, were delivered and were dropped'),
          h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'name' }, 'Packets'), h('th', { scope: 'col', class: 'num' }, 'Number'), h('th', { scope: 'col', class: 'num' }, 'Bytes'))),
          h('tbody', {},
            line('Matched', x.matched.packets, x.matched.bytes), line('Delivered', x.delivered.packets, x.delivered.bytes),
            (x.dropped || []).filter((d) => d.stage === 'kernel' || d.stage === 'file').map((d) => line('Dropped: ' + d.reason, d.count, d.bytes, 'bad'))))),
        h('p', { class: 'more' }, lost(x)))),
    h('div', { class: 'halves' },
      panel('Let go later', null, drops(x)),
      panel('Outputs', null, (x.outputs || []).length ? h('table', { class: 'list balance' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'name' }, 'Output'), h('th', { scope: 'col', class: 'num' }, 'Written'), h('th', { scope: 'col', class: 'num' }, 'Dropped'))),
        h('tbody', {}, x.outputs.map((o) => h('tr', {}, h('th', { scope: 'row', class: 'name' }, o.name, o.error && h('span', { class: 'under bad' }, o.error)), h('td', { class: 'num' }, f.exact(o.written)), h('td', { class: 'num' + (o.dropped ? ' bad' : '') }, f.exact(o.dropped))))))
        : h('p', { class: 'empty' }, 'None but the metrics and this page.'))),
    h('p', { class: 'more' }, 'More: ', h('a', { href: '/metrics' }, '/metrics'), ', for Prometheus; ', h('a', { href: '/api/v1/health' }, '/api/v1/health'), ', these figures as JSON.'),
  ];
}

const line = (name, n, b, cls) => h('tr', {}, h('th', { scope: 'row', class: 'name' }, name), h('td', { class: 'num ' + (cls || '') }, f.exact(n)), h('td', { class: 'num' }, f.bytes(b)));

function lost(x) {
  const n = x.matched.packets - x.delivered.packets;
  if (!x.matched.packets) return 'Nothing has matched yet.';
  return n > 0 ? `${f.share(n / x.matched.packets)} of what matched was lost before it was looked at.` : 'Nothing was lost: matched = delivered.';
}

function drops(x) {
  const later = (x.dropped || []).filter((d) => d.stage !== 'kernel' && d.stage !== 'file');
  if (!later.length) return h('p', { class: 'empty good' }, 'Nothing.');
  return h('table', { class: 'list balance' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col', class: 'name' }, 'Stage and reason'), h('th', { scope: 'col', class: 'num' }, 'Number'), h('th', { scope: 'col', class: 'num' }, 'Bytes'))),
    h('tbody', {}, later.map((d) => line(`${stages[d.stage] || d.stage}: ${d.reason}`, d.count, d.bytes || null, 'bad'))));
}
