#include "postprocess/html/page_script.hpp"

#include "clip_hpc/base/html.hpp"
#include "clip_hpc/base/sha256.hpp"

namespace clip_hpc {

const char* page_script() {
  return R"js(
(() => {
  'use strict';
  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  document.documentElement.classList.add('js');

  // --- tables: sorted by any column, what is not known last; filtered by words and by menus
  const words = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });
  const textOf = (cell) => { const text = cell.textContent.trim(); return text === '–' ? '' : text; };
  const keyOf = (cell) => {
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return textOf(cell) === '' ? null : textOf(cell);
  };
  const compareKeys = (a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
    return words.compare(a, b);
  };
  const sortBy = (table, column, isDescending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row, place) => ({ row, place, key: keyOf(row.cells[column]) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      return (isDescending ? -1 : 1) * compareKeys(a.key, b.key) || a.place - b.place;
    });
    body.append(...rows.map((one) => one.row));
  };
  const addSorting = (table) => {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = make('button', { type: 'button', title: 'sort' });
      button.append(...head.childNodes);
      head.append(button);
      head.setAttribute('aria-sort', 'none');
      button.addEventListener('click', () => {
        const before = head.getAttribute('aria-sort');
        const isNumeric = !head.classList.contains('text');
        const next = before === 'none' ? (isNumeric ? 'descending' : 'ascending')
                                       : (before === 'ascending' ? 'descending' : 'ascending');
        for (const other of heads) other.setAttribute('aria-sort', 'none');
        head.setAttribute('aria-sort', next);
        sortBy(table, column, next === 'descending');
      });
    });
  };
  const addFilter = (table) => {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 4) return;
    const search = make('input', { type: 'search', placeholder: 'filter', autocomplete: 'off' });
    search.setAttribute('aria-label', 'filter the ' + table.dataset.word + ' by words');
    const count = make('output', {});
    const tools = make('div', { className: 'tools' }, search);
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const menus = [];
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.dataset.menu === undefined) return;
      const values = [...new Set(rows.map((row) => textOf(row.cells[column])))].sort(words.compare);
      if (values.length < 2) return;
      const name = head.textContent.trim();
      const menu = make('select', {}, make('option', { value: '*', textContent: name + ': all' }),
                        ...values.map((value) => make('option', { value, textContent: value || '–' })));
      menu.setAttribute('aria-label', name);
      menus.push({ menu, column });
      tools.append(menu);
    });
    const apply = () => {
      const wanted = search.value.toLowerCase().split(/\s+/).filter((word) => word !== '');
      let shown = 0;
      for (const row of rows) {
        const fits = wanted.every((word) => texts.get(row).includes(word)) &&
          menus.every(({ menu, column }) => menu.value === '*' || textOf(row.cells[column]) === menu.value);
        row.hidden = !fits;
        if (fits) ++shown;
      }
      count.textContent = shown + ' of ' + rows.length + ' ' + table.dataset.word;
    };
    const clear = make('button', { type: 'button', textContent: 'show all' });
    clear.addEventListener('click', () => {
      search.value = '';
      for (const { menu } of menus) menu.value = '*';
      apply();
    });
    tools.append(clear, count);
    for (const name of ['input', 'change']) tools.addEventListener(name, apply);
    table.parentElement.before(tools);
    apply();
  };
  for (const table of document.querySelectorAll('table.sortable')) {
    addFilter(table);
    addSorting(table);
  }

  // --- figures: one at a time, large; wheel, pinch, + - 0, Esc
  const box = make('div', { className: 'zoombox', tabIndex: 0 });
  const caption = make('strong', {});
  const zoomButton = (text, label, act) => {
    const button = make('button', { type: 'button', textContent: text, title: label });
    button.setAttribute('aria-label', label);
    button.addEventListener('click', act);
    return button;
  };
  const dialog = make('dialog', { className: 'zoom' });
  dialog.setAttribute('aria-label', 'figure');
  dialog.append(make('div', { className: 'zoombar' }, caption,
    zoomButton('−', 'smaller', () => zoomTo(scale / 1.4)), zoomButton('+', 'larger', () => zoomTo(scale * 1.4)),
    zoomButton('fit', 'fit the window', () => zoomTo(1)), zoomButton('✕', 'close', () => dialog.close())), box);
  document.body.append(dialog);
  let svg = null, place = null, scale = 1, fit_px = 0;
  const zoomTo = (wanted, x = box.clientWidth / 2, y = box.clientHeight / 2) => {
    const next = Math.min(12, Math.max(1, wanted)), ratio = next / scale;
    const left = (box.scrollLeft + x) * ratio - x, top = (box.scrollTop + y) * ratio - y;
    scale = next;
    svg.style.width = fit_px * scale + 'px';
    box.scrollTo(left, top);
  };
  const fitBox = () => {
    const view = svg.viewBox.baseVal;
    const shape = view && view.height > 0 ? view.width / view.height : 1.5;
    fit_px = Math.max(200, Math.min(box.clientWidth, box.clientHeight * shape));
    scale = 1;
    svg.style.width = fit_px + 'px';
    if (fit_px < 620) zoomTo(760 / fit_px, 0, 0);  // a phone: as large as it was drawn
  };
  const open = (figure) => {
    svg = figure.querySelector('svg');
    place = document.createComment('figure');
    svg.replaceWith(place);  // moved, not copied: names inside it stay unique
    caption.textContent = figure.dataset.title;
    box.append(svg);
    dialog.showModal();
    fitBox();
    box.focus();
  };
  dialog.addEventListener('close', () => {
    if (svg === null) return;
    svg.style.width = '';
    place.replaceWith(svg);
    svg = place = null;
  });
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener('keydown', (event) => {
    if (event.key === '+' || event.key === '=') zoomTo(scale * 1.4);
    else if (event.key === '-') zoomTo(scale / 1.4);
    else if (event.key === '0') zoomTo(1);
  });
  const inBox = (event) => [event.clientX - box.getBoundingClientRect().left, event.clientY - box.getBoundingClientRect().top];
  box.addEventListener('wheel', (event) => {
    event.preventDefault();
    zoomTo(scale * Math.exp(-event.deltaY / 400), ...inBox(event));
  }, { passive: false });
  const fingers = new Map();
  let span = 0;
  box.addEventListener('pointerdown', (event) => { fingers.set(event.pointerId, event); span = 0; });
  for (const name of ['pointerup', 'pointercancel', 'pointerleave']) {
    box.addEventListener(name, (event) => { fingers.delete(event.pointerId); span = 0; });
  }
  box.addEventListener('pointermove', (event) => {
    if (!fingers.has(event.pointerId)) return;
    if (event.pointerType === 'mouse') {  // drag
      box.scrollBy(-event.movementX, -event.movementY);
      return;
    }
    fingers.set(event.pointerId, event);
    if (fingers.size !== 2) return;
    const [a, b] = [...fingers.values()];
    const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    if (span > 0) zoomTo(scale * now / span, ...inBox({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }));
    span = now;
  });
  window.addEventListener('resize', () => { if (dialog.open) fitBox(); });
  for (const figure of document.querySelectorAll('figure')) {
    const drawn = figure.querySelector('svg'), head = figure.querySelector('figcaption');
    if (drawn === null || head === null) continue;
    figure.dataset.title = (head.firstChild ? head.firstChild.textContent : '').trim();
    const button = make('button', { type: 'button', className: 'enlarge', textContent: '⤢', title: 'enlarge' });
    button.setAttribute('aria-label', 'enlarge: ' + figure.dataset.title);
    button.addEventListener('click', () => open(figure));
    head.append(button);
    drawn.addEventListener('click', () => { if (!dialog.open) open(figure); });
  }

  // --- two configurations against each other
  const data = document.getElementById('configs'), target = document.getElementById('compare');
  if (data !== null && target !== null) {
    const { runs, keys } = JSON.parse(data.textContent);
    const menuOf = (label, chosen) => {
      const menu = make('select', {}, ...runs.map((name, i) => make('option', { value: i, textContent: name })));
      menu.value = chosen;
      menu.setAttribute('aria-label', label);
      return menu;
    };
    const left = menuOf('first run', 0), right = menuOf('second run', 1);
    const note = make('output', {}), body = make('tbody', {});
    const heads = ['key', '', ''].map((name) => make('th', { scope: 'col', className: 'text', textContent: name }));
    const table = make('table', { id: 'compared' }, make('thead', {}, make('tr', {}, ...heads)), body);
    const frame = make('div', { className: 'scroll' }, table);
    const valueOf = (key, run) => key.of_run[run] < 0 ? 'not set' : key.values[key.of_run[run]];
    const compare = () => {
      const a = Number(left.value), b = Number(right.value);
      const differing = keys.filter((key) => key.of_run[a] !== key.of_run[b]);
      heads[1].textContent = runs[a];
      heads[2].textContent = runs[b];
      body.replaceChildren(...differing.map((key) => make('tr', {},
        make('th', { scope: 'row', textContent: key.name }),
        make('td', { className: 'text', textContent: valueOf(key, a) }),
        make('td', { className: 'text', textContent: valueOf(key, b) }))));
      frame.hidden = differing.length === 0;
      note.textContent = a === b ? 'the same run' : differing.length + (differing.length === 1 ? ' key differs' : ' keys differ');
    };
    const tools = make('div', { className: 'tools' }, left, make('span', { textContent: 'against' }), right, note);
    for (const name of ['input', 'change']) tools.addEventListener(name, compare);
    target.append(make('h3', { textContent: 'Any two runs' }), tools, frame);
    compare();
  }
})();
)js";
}

std::string page_script_hash() {
  const auto digest = sha256(page_script());
  return "'sha256-" + base64({reinterpret_cast<const char*>(digest.data()), digest.size()}) + "'";
}

}  // namespace clip_hpc
