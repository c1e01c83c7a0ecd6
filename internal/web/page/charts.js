// Charts as SVG, drawn for the width that there is. A chart is an image with a sentence
// for who does not see it; the figures stand beside it as a table.
import { s, h } from './dom.js';
import * as f from './format.js';

// ceil125 is the next of 1, 2, 5, 10, 20, ...
function nice(v) {
  if (!(v > 0)) return 1;
  const p = 10 ** Math.floor(Math.log10(v));
  for (const m of [1, 2, 2.5, 5, 10]) if (v <= m * p * 1.0001) return m * p;
  return 10 * p;
}

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800];

function timeTicks(from, to, room) {
  const seconds = (to - from) / 1000;
  const apart = steps.find((n) => seconds / n <= room) || steps.at(-1);
  const offset = new Date(from).getTimezoneOffset() * 60000; // whole hours and days of the reader's clock
  const ticks = [];
  for (let t = Math.ceil((from - offset) / (apart * 1000)) * apart * 1000 + offset; t < to; t += apart * 1000) ticks.push([t, f.tick(t, apart)]);
  return ticks;
}

const round = (v) => Math.round(v * 10) / 10;

// stacked draws columns of series over time. series: {name, values, slot}; values are a
// step's bytes. cursor is the index of the step that is looked at, or -1.
export function stacked({ series, from, to, stepNs, width, height, label, cursor }) {
  const left = 64, right = 8, top = 10, bottom = 24;
  const n = Math.max(1, ...series.map((x) => x.values.length));
  const seconds = stepNs / 1e9;
  const sums = Array.from({ length: n }, (_, i) => series.reduce((sum, x) => sum + (x.values[i] || 0), 0) / seconds);
  const unit = nice(Math.max(...sums, 1e-9) / 4);
  const high = unit * Math.max(1, Math.ceil(Math.max(...sums, unit) / unit));
  const w = width - left - right, hgt = height - top - bottom;
  const x = (i) => left + (w * i) / n;
  const y = (v) => top + hgt - (hgt * v) / high;
  const gap = w / n > 6 ? 1.5 : w / n > 3 ? 0.8 : 0;
  const grid = [];
  for (let v = 0; v <= high * 1.0001; v += unit) {
    grid.push(s('line', { class: v === 0 ? 'axis' : 'grid', x1: left, x2: width - right, y1: round(y(v)), y2: round(y(v)) }));
    grid.push(s('text', { class: 'tick', x: left - 8, y: round(y(v)) + 4, 'text-anchor': 'end' }, f.byteRate(v)));
  }
  const room = Math.max(2, Math.floor(w / 84));
  const place = (t) => left + (w * (t - from)) / (to - from);
  const times = timeTicks(from, to, room).filter(([t]) => place(t) > left + 20 && place(t) < width - 26)
    .map(([t, text]) => s('text', { class: 'tick', x: round(place(t)), y: height - 6, 'text-anchor': 'middle' }, text));
  const base = new Array(n).fill(0);
  const layers = series.map((one) => {
    let d = '';
    for (let i = 0; i < n; i++) {
      const v = (one.values[i] || 0) / seconds;
      if (!(v > 0)) continue;
      const y0 = y(base[i]), y1 = y(base[i] + v);
      base[i] += v;
      d += `M${round(x(i) + gap / 2)} ${round(y0)}V${round(y1)}H${round(x(i + 1) - gap / 2)}V${round(y0)}z`;
    }
    return s('path', { class: 'slot' + one.slot, d });
  });
  const mark = cursor >= 0 && cursor < n &&
    s('rect', { class: 'cursor', x: round(x(cursor)), y: top, width: round(w / n), height: hgt });
  return s('svg', { class: 'stacked', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label,
    tabindex: 0, 'data-chart': 'stacked', 'data-left': left, 'data-right': right, 'data-n': n }, mark, grid, times, layers);
}

// spark is a row's course: an area, as high as its own maximum.
export function spark(values, width = 96, height = 22) {
  const high = Math.max(...values, 0);
  if (!values.length || !(high > 0)) return s('svg', { class: 'spark', width, height, 'aria-hidden': 'true' });
  const n = values.length;
  let d = `M0 ${height}`;
  values.forEach((v, i) => {
    const y = round(height - 1 - ((height - 3) * v) / high);
    d += `L${round((width * i) / n)} ${y}H${round((width * (i + 1)) / n)}`;
  });
  return s('svg', { class: 'spark', viewBox: `0 0 ${width} ${height}`, width, height, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    s('path', { d: d + `V${height}z` }));
}

// histogram draws bins on a logarithmic scale, with the bars' own bounds as labels.
export function histogram({ bins, label, text, width, height = 132 }) {
  const shown = trim(bins);
  const high = Math.max(...shown.map((b) => b.count), 1);
  const bottom = 22, top = 6;
  const w = width / Math.max(shown.length, 1);
  const bars = shown.map((b, i) => {
    const tall = b.count ? Math.max(1, ((height - top - bottom) * b.count) / high) : 0;
    return s('rect', { class: 'bar', x: round(i * w + 0.75), y: round(height - bottom - tall), width: round(Math.max(w - 1.5, 0.5)), height: round(tall) },
      s('title', {}, `${text(b.low)} to ${text(b.high)}: ${f.exact(b.count)}`));
  });
  const every = Math.max(1, Math.ceil((shown.length * 64) / width));
  const ticks = shown.map((b, i) => i % every === 0 && i * w < width - 44 && s('text', { class: 'tick', x: round(i * w), y: height - 6 }, text(b.low)));
  return s('svg', { class: 'histogram', viewBox: `0 0 ${width} ${height}`, width, height, role: 'img', 'aria-label': label },
    s('line', { class: 'axis', x1: 0, x2: width, y1: height - bottom, y2: height - bottom }), bars, ticks);
}

function trim(bins) {
  const first = bins.findIndex((b) => b.count > 0);
  if (first < 0) return [];
  let last = bins.length - 1;
  while (!bins[last].count) last--;
  return bins.slice(first, last + 1);
}

// shareBar stands under a figure that is its text already.
export const shareBar = (share) =>
  h('span', { class: 'share', 'aria-hidden': 'true' }, h('span', { style: { width: Math.min(100, Math.max(share * 100, share > 0 ? 1 : 0)) + '%' } }));

// band shows a value beside what was expected.
export function band(value, low, high, text) {
  const max = Math.max(value, high) * 1.15 || 1;
  const x = (v) => round((160 * Math.max(v, 0)) / max);
  return s('svg', { class: 'band', viewBox: '0 0 160 18', width: 160, height: 18, role: 'img', 'aria-label': text },
    s('rect', { class: 'track', x: 0, y: 8, width: 160, height: 2 }),
    s('rect', { class: 'expected', x: x(low), y: 5, width: Math.max(2, x(high) - x(low)), height: 8 }),
    s('rect', { class: 'value', x: x(value) - 1.5, y: 1, width: 3, height: 16 }));
}

export function meter(part, text, alarm) {
  const p = Math.min(1, Math.max(0, part || 0));
  return h('span', { class: 'meter' + (alarm ? ' alarm' : ''), role: 'meter', 'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': Math.round(p * 100), 'aria-label': text },
    h('span', { style: { width: p * 100 + '%' } }));
}
