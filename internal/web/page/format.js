// Numbers and times as people read them: decimal units, three digits.

const space = '\u202f'; // narrow, does not break

function scaled(v, units, step = 1000) {
  let i = 0;
  while (Math.abs(v) >= step * 0.9995 && i < units.length - 1) {
    v /= step;
    i++;
  }
  const a = Math.abs(v);
  const whole = i === 0 && Number.isInteger(v);
  const digits = whole ? 0 : a < 9.995 ? 2 : a < 99.95 ? 1 : 0;
  return v.toFixed(digits) + (units[i] ? space + units[i] : '');
}

export const bytes = (v) => (v == null ? '–' : scaled(Math.round(v), ['B', 'kB', 'MB', 'GB', 'TB', 'PB']));
export const byteRate = (v) => (v == null ? '–' : scaled(v < 10 ? Math.round(v) : v, ['B/s', 'kB/s', 'MB/s', 'GB/s', 'TB/s']));

const grouped = new Intl.NumberFormat('en-GB');
export const count = (v) => (v == null ? '–' : v < 100000 ? grouped.format(Math.round(v)) : scaled(v, ['', 'k', 'M', 'G']));
export const exact = (v) => grouped.format(Math.round(v));
export const rate = (v) => (v == null ? '–' : scaled(v >= 100 ? Math.round(v) : v, ['/s', 'k/s', 'M/s']));

export function share(v) {
  if (!(v > 0)) return '0' + space + '%';
  const p = v * 100;
  if (p < 0.1) return '<0.1' + space + '%';
  return p.toFixed(p < 99.95 ? 1 : 0) + space + '%';
}

// Nanoseconds.
export function duration(ns) {
  if (ns == null || ns < 0) return '–';
  if (ns < 1e3) return ns + space + 'ns';
  if (ns < 1e9) return scaled(ns / 1e3, ['µs', 'ms']);
  if (ns < 120e9) return scaled(ns / 1e9, ['s']);
  return span(ns / 1e9);
}

// Seconds, of hours and days.
export function span(s) {
  s = Math.round(s);
  if (s < 120) return s + space + 's';
  if (s < 7200) return Math.round(s / 60) + space + 'min';
  if (s < 172800) return (s / 3600).toFixed(1) + space + 'h';
  return Math.round(s / 86400) + space + 'd';
}

const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minute = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

const sameDay = (a, b) => a.toDateString() === b.toDateString();

export function time(t, now = new Date()) {
  const d = new Date(t);
  return sameDay(d, now) ? clock.format(d) : day.format(d) + ' ' + clock.format(d);
}

// For an axis whose ticks are so many seconds apart.
export function tick(t, apart) {
  const d = new Date(t);
  if (apart >= 86400) return day.format(d);
  return apart < 60 ? clock.format(d) : minute.format(d);
}

export const ago = (t, now) => span(Math.max(0, (now - new Date(t)) / 1000)) + ' ago';
