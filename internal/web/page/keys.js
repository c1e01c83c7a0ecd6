// The keyboard, and the pointer in charts.
import * as st from './state.js';
import { turn } from './frame.js';

const $ = (id) => document.getElementById(id);
const stored = 'gortap-keys';

export function listen(actions) {
  $('keys-on').checked = localStorage.getItem(stored) !== 'off';
  $('keys-on').addEventListener('change', () => {
    if ($('keys-on').checked) localStorage.removeItem(stored);
    else localStorage.setItem(stored, 'off');
  });
  document.addEventListener('keydown', (event) => press(event, actions));
  pointer(actions);
}

function press(event, actions) {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  if (target.closest('[data-chart]') && inChart(event, actions)) return event.preventDefault();
  if (target.matches('input, select, textarea')) {
    if (key === 'Escape' && target.id === 'search') {
      target.value = '';
      target.blur();
      actions.go(st.link(actions.state(), { search: '' }), { replace: true, focus: false });
    }
    return;
  }
  if (!$('keys-on').checked) return;
  const view = st.views[Number(key) - 1];
  if (view) return actions.go(st.link(actions.state(), { view: view[0] }));
  const todo = {
    '/': () => $('search').focus(),
    '?': () => $('help').showModal(),
    j: () => step(1), k: () => step(-1),
    u: () => up(actions),
    '[': () => range(actions, -1), ']': () => range(actions, 1),
    p: () => actions.pause(),
    t: turn,
  }[key];
  if (!todo) return;
  event.preventDefault();
  todo();
}

// step goes along the rows of the view, in the order of the page.
function step(by) {
  const rows = [...document.querySelectorAll('#main .row')].filter((r) => r.offsetParent);
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next].focus();
}

function up(actions) {
  const steps = st.levels(actions.state());
  if (steps.length > 1) actions.go(st.link(actions.state(), steps.at(-2).change));
}

function range(actions, by) {
  const names = st.ranges.map(([id]) => id);
  const at = names.indexOf(st.rangeOf(actions.state(), actions.live()));
  const next = names[Math.min(names.length - 1, Math.max(0, at + by))];
  if (next) actions.go(st.link(actions.state(), { range: next, from: '', to: '' }));
}

function inChart({ key, target }, actions) {
  const n = Number(target.closest('[data-chart]').dataset.n);
  const at = actions.at();
  const moves = { ArrowLeft: at < 0 ? n - 1 : at - 1, ArrowRight: at < 0 ? 0 : at + 1, Home: 0, End: n - 1 };
  if (key in moves) actions.cursor(Math.min(n - 1, Math.max(0, moves[key])));
  else if (key === 'Escape') actions.cursor(-1);
  else if (key === 'Enter' && at >= 0) zoom(actions, at - 4, at + 4);
  else return false;
  return true;
}

function zoom(actions, first, last) {
  const v = actions.view();
  if (!v) return;
  const start = Date.parse(v.from), step = v.step_ns / 1e6;
  const n = (v.total.bytes || []).length;
  const at = (i) => new Date(start + Math.min(n, Math.max(0, i)) * step).toISOString();
  actions.go(st.link(actions.state(), { range: '', from: at(first), to: at(last + 1) }));
}

// A pointer shows the figures of a step; drawn over several, it zooms in.
function pointer(actions) {
  let began = -1;
  const stepAt = (event) => {
    const chart = event.target.closest?.('[data-chart]');
    if (!chart) return -1;
    const { left, right, n } = chart.dataset;
    const box = chart.getBoundingClientRect();
    const w = box.width - left - right;
    const i = Math.floor(((event.clientX - box.left - left) / w) * n);
    return i >= 0 && i < n ? i : -1;
  };
  document.addEventListener('pointermove', (event) => {
    const i = stepAt(event);
    if (i >= 0 || (actions.at() >= 0 && !document.activeElement?.closest('[data-chart]'))) actions.cursor(i);
  });
  document.addEventListener('pointerdown', (event) => {
    began = stepAt(event);
  });
  document.addEventListener('pointerup', (event) => {
    const i = stepAt(event);
    if (began >= 0 && i >= 0 && Math.abs(i - began) >= 1) zoom(actions, Math.min(i, began), Math.max(i, began));
    began = -1;
  });
}
