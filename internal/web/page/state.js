// What is shown stands in the address, all of it: a copied address shows the same.

export const views = [
  ['overview', 'Overview'], ['endpoints', 'Endpoints'], ['clients', 'Clients'], ['findings', 'Findings'],
  ['exchanges', 'Exchanges'], ['events', 'Events'], ['health', 'Agent'],
];

export const ranges = [
  ['5m', 'Last 5 minutes'], ['15m', 'Last 15 minutes'], ['1h', 'Last hour'], ['6h', 'Last 6 hours'],
  ['24h', 'Last 24 hours'], ['7d', 'Last 7 days'], ['all', 'Everything kept'],
];

const plain = ['service', 'method', 'path', 'client', 'search', 'sort', 'group', 'status'];

export function read(search) {
  const p = new URLSearchParams(search);
  const state = { view: p.get('view'), range: p.get('range'), from: p.get('from'), to: p.get('to') };
  if (!views.some(([name]) => name === state.view)) state.view = 'overview';
  if (!ranges.some(([name]) => name === state.range)) state.range = '';
  for (const t of ['from', 'to']) if (state[t] && Number.isNaN(Date.parse(state[t]))) state[t] = '';
  for (const name of plain) state[name] = p.get(name) || '';
  return state;
}

export function write(state) {
  const p = new URLSearchParams();
  if (state.view !== 'overview') p.set('view', state.view);
  for (const name of ['range', 'from', 'to', ...plain]) if (state[name]) p.set(name, state[name]);
  const text = p.toString();
  return text ? '?' + text : '?';
}

// What a view sorts by or groups by means nothing to another one.
const own = { sort: '', group: '', status: '' };

// link is the address of the same with something changed.
export function link(state, change) {
  const moved = change.view && change.view !== state.view ? own : {};
  return write({ ...state, ...moved, ...change });
}

// The steps down: all, a service, an endpoint of it, a client.
export function levels(state) {
  const all = { service: '', method: '', path: '', client: '' };
  const steps = [{ name: 'All traffic', change: all }];
  if (state.service) steps.push({ name: state.service, change: { ...all, service: state.service }, kind: 'Service' });
  if (state.path || state.method) {
    steps.push({ name: (state.method + ' ' + state.path).trim(), kind: 'Endpoint', mono: true,
      change: { ...all, service: state.service, method: state.method, path: state.path } });
  }
  if (state.client) {
    steps.push({ name: state.client, change: { ...all, service: state.service, method: state.method, path: state.path, client: state.client }, kind: 'Client' });
  }
  return steps;
}

export const fixed = (state) => Boolean(state.from || state.to);

// times are the parameters for the API.
export function times(state, live) {
  if (fixed(state)) return { from: state.from || '', to: state.to || '' };
  const range = state.range || (live ? '15m' : 'all');
  return range === 'all' ? {} : { from: '-' + range };
}

export const rangeOf = (state, live) => (fixed(state) ? 'fixed' : state.range || (live ? '15m' : 'all'));

export const selection = (state) => ({
  service: state.service, method: state.method, path: state.path, client: state.client, search: state.search,
});
