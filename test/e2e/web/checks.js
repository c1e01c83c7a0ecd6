// What a reader with a narrow screen, with a screen reader or with weak eyes would stumble
// over, on a screen of a width. The value is a list of sentences.
((width) => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const seen = (e) => e.checkVisibility({ visibilityProperty: true }) && e.getClientRects().length > 0;
  const short = (e) => `<${e.tagName.toLowerCase()} ${e.id || e.getAttribute('class') || ''}> ${e.textContent.trim().slice(0, 40)}`;
  const doc = document.documentElement;
  // A phone zooms out to show what is too wide: its window is wider then.
  const wide = Math.max(doc.scrollWidth, innerWidth);
  if (wide > width) faults.push(`the page is ${wide} px wide, wider than ${width}`);
  if (!doc.lang) faults.push('the page has no language');
  if (!document.title) faults.push('the page has no title');
  if (all('h1').filter(seen).length !== 1) faults.push(`${all('h1').length} h1, want one`);
  for (const name of ['header', 'main', 'nav']) if (!document.querySelector(name)) faults.push(`no landmark ${name}`);

  const ids = all('[id]').map((e) => e.id);
  for (const id of new Set(ids.filter((id, i) => ids.indexOf(id) !== i))) faults.push(`the id ${id} is there twice`);
  for (const name of ['aria-labelledby', 'aria-describedby', 'aria-controls']) {
    for (const e of all(`[${name}]`)) for (const id of e.getAttribute(name).split(' ')) if (!document.getElementById(id)) faults.push(`${short(e)}: ${name} names ${id}, which is not there`);
  }

  let level = 0;
  for (const e of all('h1, h2, h3, h4, h5, h6').filter(seen)) {
    const n = Number(e.tagName[1]);
    if (n > level + 1) faults.push(`h${n} follows h${level}: ${short(e)}`);
    level = n;
  }

  const name = (e) => (e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') || '').split(' ').map((id) => document.getElementById(id)?.textContent || '').join(' ')
    || [...(e.labels || [])].map((l) => l.textContent).join(' ') || (e.matches('input, select, svg') ? '' : e.textContent)
    || e.title || '').trim();
  for (const e of all('a[href], button, input, select, textarea, summary, dialog, [role=img], [role=meter], nav, section')) {
    if (!name(e)) faults.push(`${short(e)} has no name`);
  }
  for (const e of all('svg')) if (!e.closest('[aria-hidden=true]') && e.getAttribute('role') !== 'img') faults.push(`${short(e)}: an svg is neither an image nor hidden`);
  for (const e of all('table')) {
    if (![...e.querySelectorAll('th')].length) faults.push(`${short(e)}: a table without headers`);
    if (!e.caption && !e.closest('section[aria-label], article, details')) faults.push(`${short(e)}: a table without caption`);
  }
  for (const e of all('th')) if (!e.getAttribute('scope')) faults.push(`${short(e)}: a header without scope`);
  for (const e of all('[tabindex]')) if (e.tabIndex > 0) faults.push(`${short(e)}: tabindex ${e.tabIndex}`);
  for (const e of all('ul > *, ol > *')) if (e.tagName !== 'LI') faults.push(`${short(e)} in a list`);

  // Contrast, WCAG 2.2: 4.5 to 1, large text 3 to 1.
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => {
    const [r, g, b] = c.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = rgba(getComputedStyle(at).backgroundColor);
      if (c[3] > 250) return c;
    }
    return [255, 255, 255, 255];
  };
  const told = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !seen(e) || e.closest('.visually-hidden, .skip, dialog, option, script, noscript, title')) continue;
    const style = getComputedStyle(e);
    const ink = rgba(e.closest('svg') ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const line = `${short(e).split('>')[0]}>: contrast ${ratio.toFixed(1)}`;
    if (ratio < (large ? 3 : 4.5) && !told.has(line)) {
      told.add(line);
      faults.push(line);
    }
  }

  // A finger needs room: 24 px, or that much between (WCAG 2.5.8); links in text are free.
  for (const e of all('button, select, input, .tabs a, .clear').filter(seen)) {
    const box = e.getBoundingClientRect();
    if (box.height < 24 && !e.matches('.row, [type=checkbox]')) faults.push(`${short(e)} is ${box.height} px high`);
  }
  return faults;
})
