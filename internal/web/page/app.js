// What happens when: the address changes, an answer comes, time passes.
import { h, morph } from './dom.js';
import { ask, Refused } from './ask.js';
import * as st from './state.js';
import * as frame from './frame.js';
import * as overview from './overview.js';
import * as lists from './lists.js';
import * as findings from './findings.js';
import * as exchanges from './exchanges.js';
import * as health from './health.js';
import { listen } from './keys.js';

const every = 2000; // between refreshes, in milliseconds
const patient = 250; // before the old content is shown as being replaced

const views = {
  overview: [overview.queries, overview.render],
  endpoints: [lists.endpointQueries, lists.renderEndpoints],
  clients: [lists.clientQueries, lists.renderClients],
  findings: [findings.findingQueries, findings.renderFindings],
  exchanges: [null, exchanges.render],
  events: [findings.eventQueries, findings.renderEvents],
  health: [health.queries, health.render],
};

const main = document.getElementById('main');

const app = {
  state: st.read(location.search),
  health: null,
  data: null, // answers, by what they are to the view
  mark: '', // which state the data are of
  count: null, // of findings
  feed: new exchanges.Feed(''),
  failure: null,
  since: 0, // when the agent last answered
  paused: false,
  cursor: -1,
  width: 0,
};

let run = 0; // a newer run makes an older one's answers void
let timer = 0;
let stop = new AbortController();

const markOf = (state) => JSON.stringify({ ...state, sort: '', status: '' });

async function refresh() {
  clearTimeout(timer);
  const mine = ++run;
  stop.abort();
  stop = new AbortController();
  const { state } = app;
  const slow = setTimeout(() => main.setAttribute('aria-busy', 'true'), patient);
  try {
    await load(state, stop.signal, () => mine === run);
    if (mine !== run) return;
    if (app.failure && app.since) frame.say('The agent answers again.');
    app.failure = null;
    app.since = Date.now();
    paint();
  } catch (error) {
    if (mine !== run) return;
    if (!app.failure) frame.say('The agent does not answer. ' + error.message);
    app.failure = error;
    paint();
  } finally {
    clearTimeout(slow);
    if (mine === run) {
      main.setAttribute('aria-busy', 'false');
      plan();
    }
  }
}

// load asks for what the view needs, all at once.
async function load(state, signal, current) {
  const seen = await ask('health', {}, signal);
  if (!current()) return;
  if (app.health && app.health.started !== seen.started) frame.say('The agent was started anew.');
  app.health = seen;
  const q = { ...st.times(state, seen.live), ...st.selection(state) };
  const mark = markOf(state);
  if (state.view === 'exchanges') {
    const feed = app.feed.mark === mark ? app.feed : new exchanges.Feed(mark);
    const [answer, known] = await Promise.all([ask('exchanges', { ...q, after: feed.last, rows: 200 }, signal), ask('findings', {}, signal)]);
    if (!current()) return;
    app.feed = feed;
    feed.take(answer, app.paused || reading());
    app.count = known.findings.length;
    app.data = {};
    app.mark = mark;
    return;
  }
  const wanted = { findings: ['findings', {}], ...views[state.view][0](q, state) };
  if (!seen.live) delete wanted.now;
  const names = Object.keys(wanted);
  const answers = await Promise.all(names.map((name) => ask(...wanted[name], signal)));
  if (!current()) return;
  app.data = Object.fromEntries(names.map((name, i) => [name, answers[i]]));
  app.count = app.data.findings.findings.length;
  app.mark = mark;
}

// reading: who has the focus in the list, or has scrolled into it, is not to lose the place.
function reading() {
  return Boolean(document.activeElement?.closest('[data-hold]')) || window.scrollY > 240;
}

const moving = () => !app.paused && !st.fixed(app.state);

function plan() {
  clearTimeout(timer);
  if (document.hidden || (!moving() && !app.failure)) return;
  timer = setTimeout(refresh, every);
}

function paint() {
  frame.paint(app);
  const stale = app.mark !== markOf(app.state);
  const next = document.createElement('div');
  if (!stale && app.data) {
    const kids = views[app.state.view][1]({ ...app, now: Date.parse(app.health.now) });
    next.append(...kids.flat(3).filter(Boolean));
  } else if (app.failure) {
    next.append(failed(app.failure));
  } else {
    return; // what is there stays until there is something else
  }
  morph(main, next);
}

function failed(error) {
  const lost = error instanceof Refused && error.status === 401;
  return h('div', { class: 'panel' }, h('p', { class: 'empty' },
    lost ? 'The session is over. ' : error instanceof Refused ? `The agent refuses: ${error.message} ` : 'The agent does not answer. ',
    lost ? h('a', { href: '', 'data-reload': true }, 'Log in again') : h('a', { href: st.write({ ...st.read(''), view: app.state.view }) }, 'Show everything')));
}

// go shows another state; the focus goes to its heading, as with a new page.
export function go(search, { replace = false, focus = true } = {}) {
  const [query, id] = search.split('#');
  const next = st.read(query);
  const another = next.view !== app.state.view;
  history[replace ? 'replaceState' : 'pushState'](null, '', search || '?');
  app.state = next;
  app.cursor = -1;
  frame.paint(app);
  const shown = refresh();
  if (!another || !focus) return;
  shown.then(() => {
    window.scrollTo(0, 0);
    if (id) document.getElementById(decodeURIComponent(id))?.scrollIntoView();
    main.querySelector('h1')?.focus({ preventScroll: true });
  });
}

export function pause(on = !app.paused) {
  app.paused = on;
  frame.say(on ? 'Paused.' : 'Live again.');
  if (!on) app.feed.release();
  refresh();
  paint();
}

addEventListener('popstate', () => {
  app.state = st.read(location.search);
  app.cursor = -1;
  frame.paint(app);
  refresh();
});

document.addEventListener('visibilitychange', () => (document.hidden ? clearTimeout(timer) : refresh()));

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-action]');
  if (button?.dataset.action === 'release') {
    app.feed.release();
    window.scrollTo(0, 0);
    paint();
  } else if (button?.dataset.action === 'open') {
    const seq = Number(button.dataset.seq);
    if (!app.feed.open.delete(seq)) app.feed.open.add(seq);
    paint();
  }
  const a = event.target.closest('a[href]');
  if (!a || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (a.dataset.reload) return location.reload();
  const href = a.getAttribute('href');
  if (!href.startsWith('?')) return;
  event.preventDefault();
  go(href);
});

const actions = {
  go, pause, refresh,
  state: () => app.state,
  live: () => Boolean(app.health?.live),
  cursor(i) {
    if (i !== app.cursor) {
      app.cursor = i;
      paint();
    }
  },
  at: () => app.cursor,
  view: () => app.data?.view,
};

new ResizeObserver(([entry]) => {
  const width = Math.round(entry.contentRect.width);
  if (width === app.width) return;
  app.width = width;
  if (app.data) paint();
}).observe(main);

app.width = main.clientWidth;
frame.listen(actions);
listen(actions);
frame.paint(app);
refresh();
