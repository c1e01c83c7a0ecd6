// What stands around the views: brand, state of the connection, tabs, selection, time.
import { h, morph } from './dom.js';
import * as st from './state.js';
import * as f from './format.js';
import { Refused } from './ask.js';

const $ = (id) => document.getElementById(id);

let said = '';
export function say(text) {
  if (text === said) return;
  said = text;
  $('said').textContent = text;
}

function into(node, ...kids) {
  const next = document.createElement('div');
  next.append(...kids.flat(3).filter(Boolean));
  morph(node, next);
}

export function paint(app) {
  const { state, health } = app;
  const name = st.views.find(([id]) => id === state.view)[1];
  document.title = [state.client || (state.path && `${state.method} ${state.path}`.trim()) || state.service, name, 'gortap'].filter(Boolean).join(' · ');
  into($('tabs'), h('ul', {}, st.views.map(([id, text], i) => h('li', {},
    h('a', { href: st.link(state, { view: id }), 'aria-current': id === state.view ? 'page' : null, 'aria-keyshortcuts': String(i + 1) }, text,
      id === 'findings' && h('span', { class: 'count' }, app.count == null ? '' : [h('span', { class: 'visually-hidden' }, ', '), String(app.count)]),
      id === 'health' && health && trouble(health) && h('span', { class: 'count bad' }, h('span', { class: 'visually-hidden' }, ', '), trouble(health)))))));
  keepInSight($('tabs'), '[aria-current]');
  const steps = st.levels(state);
  into($('levels'), h('ol', {}, steps.map((step, i) => h('li', {},
    i === steps.length - 1
      ? h('span', { class: step.mono ? 'path' : '', 'aria-current': 'true' }, step.name)
      : h('a', { href: st.link(state, step.change) }, step.name))),
  steps.length > 1 && h('li', {}, h('a', { class: 'clear', href: st.link(state, steps[0].change), 'aria-label': 'Remove the selection', title: 'Remove the selection' }, '×'))));
  if (document.activeElement !== $('search')) $('search').value = state.search;
  paintRange(state, health);
  paintState(app);
}

// keepInSight scrolls a strip to its current part, and nothing else.
function keepInSight(strip, selector) {
  const box = strip.querySelector(selector)?.getBoundingClientRect();
  const own = strip.getBoundingClientRect();
  if (box && (box.left < own.left || box.right > own.right)) strip.scrollLeft += box.left - own.left - 24;
}

const trouble = (x) => (x.level && x.level !== 'full' ? 'copies less' : x.matched.packets - x.delivered.packets > x.matched.packets / 1000 ? 'loses' : '');

function paintRange(state, health) {
  const live = !health || health.live;
  const now = st.rangeOf(state, live);
  const options = st.ranges.map(([id, text]) => h('option', { value: id, key: id }, text));
  if (now === 'fixed') {
    const text = `${state.from ? f.time(state.from) : 'the start'} – ${state.to ? f.time(state.to) : 'now'}`;
    options.push(h('option', { value: 'fixed', key: 'fixed' }, text));
  }
  options.push(h('option', { value: 'between', key: 'between' }, 'Between …'));
  into($('range'), options);
  $('range').value = now;
}

function paintState(app) {
  const { health, failure, paused, state } = app;
  $('host').textContent = health?.host || '';
  const word = failure ? 'No answer' : paused ? 'Paused' : !health ? 'Loading' : st.fixed(state) ? 'Past' : health.live ? 'Live' : 'From files';
  const kind = failure ? 'off' : paused || !health || st.fixed(state) ? 'held' : 'on';
  into($('state'), h('span', { class: 'lamp ' + kind, 'aria-hidden': 'true' }), word);
  $('pause').setAttribute('aria-pressed', String(paused));
  $('pause').firstElementChild.textContent = paused ? 'Go on' : 'Pause';
  $('logout').hidden = !health?.token;
  const banner = $('banner');
  const text = !failure || !app.data ? ''
    : failure instanceof Refused && failure.status === 401 ? 'The session is over: load the page again to log in.'
      : `${failure instanceof Refused ? 'The agent refuses: ' + failure.message : 'The agent does not answer.'} This is what was known at ${f.time(app.since)}; asking again every 2 seconds.`;
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !text;
  $('main').classList.toggle('stale', Boolean(failure && app.data));
}

const local = (t) => {
  const d = new Date(t);
  return new Date(d - d.getTimezoneOffset() * 60000).toISOString().slice(0, 19);
};

export function listen(actions) {
  let typing = 0;
  $('search').addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(() => actions.go(st.link(actions.state(), { search: $('search').value.trim() }), { replace: true, focus: false }), 250);
  });
  $('range').addEventListener('change', () => {
    const value = $('range').value;
    if (value === 'between') return between(actions);
    if (value !== 'fixed') actions.go(st.link(actions.state(), { range: value, from: '', to: '' }));
  });
  $('pause').addEventListener('click', () => actions.pause());
  $('theme').addEventListener('click', turn);
  $('help-open').addEventListener('click', () => $('help').showModal());
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', nameTheme);
  nameTheme();
}

function between(actions) {
  const v = actions.view();
  const state = actions.state();
  $('between-from').value = state.from || v ? local(state.from || v.from) : '';
  $('between-to').value = state.to ? local(state.to) : '';
  const dialog = $('between');
  dialog.returnValue = '';
  dialog.showModal();
  dialog.addEventListener('close', () => {
    const at = (id) => ($(id).value ? new Date($(id).value).toISOString() : '');
    if (dialog.returnValue === 'ok' && (at('between-from') || at('between-to'))) {
      actions.go(st.link(state, { range: '', from: at('between-from'), to: at('between-to') }));
    } else {
      actions.refresh(); // and the choice shows what is
    }
  }, { once: true });
}

const dark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};

function nameTheme() {
  $('theme-name').textContent = dark() ? 'Light' : 'Dark';
}

// turn switches; what the system says anyway is not remembered.
export function turn() {
  const next = dark() ? 'light' : 'dark';
  const system = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
  if (next === system) {
    delete document.documentElement.dataset.theme;
    localStorage.removeItem('gortap-theme');
  } else {
    document.documentElement.dataset.theme = next;
    localStorage.setItem('gortap-theme', next);
  }
  nameTheme();
}
