#include "postprocess/html/style.hpp"

namespace clip_hpc {

const char* page_style() {
  return R"css(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --figure: #ffffff; --ink: #17202b; --soft: #566272;
  --rule: #dde2e9; --accent: #0b62a4; --right: #15803d; --wrong: #b91c1c; --warn: #92400e; --track: #e5e9ef; --mark: #b45309;
  --done: #15803d; --running: #0b62a4; --stopped: #92400e; --failed: #b91c1c; --missing: #566272; --later: #6d28d9; }
@media (prefers-color-scheme: dark) { :root { --page: #11161d; --card: #1a212b; --figure: #e9edf2; --ink: #e6ebf1;
  --soft: #9fabba; --rule: #2e3947; --accent: #6db3ee; --right: #4ade80; --wrong: #f87171; --warn: #fbbf24;
  --track: #2e3947; --mark: #fb923c; --done: #4ade80; --running: #6db3ee; --stopped: #fbbf24; --failed: #f87171;
  --missing: #9fabba; --later: #c4b5fd; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto,
  "Liberation Sans", "DejaVu Sans", sans-serif; -webkit-text-size-adjust: 100%; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.25rem; margin: 40px 0 12px; }
h3 { font-size: 1.02rem; margin: 20px 0 4px; overflow-wrap: anywhere; }
.note, .sub { color: var(--soft); margin: 0 0 10px; font-size: .9rem; }
.cards { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 330px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 16px 18px; min-width: 0; }
.card h3 { margin-top: 0; }
.big { font-size: 2.5rem; font-weight: 650; line-height: 1.1; font-variant-numeric: tabular-nums; }
.big small { display: block; font-size: .95rem; font-weight: 400; line-height: 1.35; color: var(--soft); }
.bar { position: relative; height: 12px; border-radius: 6px; background: var(--track); margin: 12px 0 8px; }
.bar i { position: absolute; left: 0; top: 0; bottom: 0; border-radius: 6px; background: var(--accent); }
.bar u { position: absolute; top: -4px; bottom: -4px; width: 3px; margin-left: -1px; background: var(--ink);
  border-radius: 2px; box-shadow: 0 0 0 1.5px var(--card); }
dt s { display: inline-block; width: 3px; height: .95em; border-radius: 2px; margin-right: 7px; vertical-align: -.1em; }
.bar u.chance, s.chance { background: var(--soft); }
.bar u.baseline, s.baseline { background: var(--mark); }
dl { display: grid; grid-template-columns: minmax(55%, 1fr) auto; gap: 3px 14px;
  margin: 10px 0 0; font-size: .93rem; }
dt { color: var(--soft); } dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
  dt { overflow-wrap: anywhere; }
dl.left { grid-template-columns: fit-content(45%) minmax(0, 1fr); } dl.left dd { text-align: left;
  overflow-wrap: anywhere; }
.none { color: var(--warn); font-weight: 600; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; font-weight: 600; position: sticky; left: 0; z-index: 1;
  background: var(--card); max-width: 42vw; overflow: hidden; text-overflow: ellipsis; }
tbody th { color: var(--ink); }
tbody:last-child tr:last-child > * { border-bottom: 0; }
tfoot th, tfoot td { border-bottom: 0; border-top: 2px solid var(--rule); font-weight: 600; color: var(--ink); }
td.text, th.text { text-align: left; }
.scroll + .scroll, :is(.scroll, ul, div) + details { margin-top: 12px; }
.scroll + .note { margin-top: 8px; }
.scroll.long { max-height: min(75vh, 720px); overflow-y: auto; }
.long thead th { position: sticky; top: 0; z-index: 2; background: var(--card); box-shadow: inset 0 -1px var(--rule); }
.long thead th:first-child { z-index: 3; }
th button { all: unset; cursor: pointer; color: inherit; white-space: nowrap; }
th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
th button::after { content: "↕"; opacity: .45; margin-left: 5px; }
th[aria-sort=ascending] button::after { content: "▲"; opacity: 1; }
th[aria-sort=descending] button::after { content: "▼"; opacity: 1; }
.tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 0 0 10px; font-size: .9rem; }
.tools input, .tools select, .tools button, .zoombar button { font: inherit; color: var(--ink); background: var(--card);
  border: 1px solid var(--soft); border-radius: 8px; padding: 5px 10px; min-height: 36px; max-width: 100%; }
.tools input { flex: 1 1 160px; min-width: 0; max-width: 320px; }
.tools button, .zoombar button { cursor: pointer; }
.tools output, .tools span { color: var(--soft); }
:is(input, select, button, summary, a):focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
[hidden] { display: none !important; }
.message { display: inline-block; max-width: 60ch; min-width: 28ch; white-space: normal; overflow-wrap: anywhere; }
.state { font-weight: 600; } .state::before { content: "●"; margin-right: 6px; font-size: .8em; }
.state.s-done::before { content: "✓"; } .state.s-failed::before { content: "✗"; }
.state.s-missing::before, .state.s-later::before { content: "○"; } .state.s-stopped::before { content: "◐"; }
.state.s-done { color: var(--done); } .state.s-running { color: var(--running); } .state.s-later { color: var(--later); }
.state.s-stopped { color: var(--stopped); } .state.s-failed { color: var(--failed); }
.state.s-missing { color: var(--missing); }
.matrix td { text-align: center; } .matrix thead th { text-align: center; }
.states { display: flex; height: 14px; border-radius: 7px; overflow: hidden; background: var(--track); margin: 12px 0 8px; }
.states i { display: block; } i.s-done, s.s-done { background: var(--done); }
i.s-running, s.s-running { background: var(--running); } i.s-stopped, s.s-stopped { background: var(--stopped); }
i.s-failed, s.s-failed { background: var(--failed); } i.s-missing, s.s-missing { background: var(--missing); }
i.s-later, s.s-later { background: var(--later); }
.legend { list-style: none; margin: 0 0 8px; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: .93rem; }
.legend s { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
.card > p { margin: 0; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 14px 0 18px; font-size: .93rem; }
nav a { padding: 3px 0; }
.spark { display: block; margin-left: auto; overflow: visible; }
.spark polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; }
details.more { display: inline; background: none; border: 0; padding: 0; }
details.more summary { display: inline; color: var(--accent); font-weight: 400; }
#cost thead th { white-space: normal; vertical-align: bottom; }
#lacks td:last-child { white-space: normal; min-width: 24ch; overflow-wrap: anywhere; }
.figures { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px;
  min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 8px; font-size: .95rem; display: flex; justify-content: space-between;
  gap: 12px; overflow-wrap: anywhere; }
figcaption a { font-weight: 400; font-size: .85rem; white-space: nowrap; }
figcaption > :is(a, span) { margin-left: auto; }
.enlarge { font: inherit; line-height: 1; color: var(--accent); background: none; border: 0; cursor: pointer; padding: 0 4px;
  align-self: flex-start; min-width: 28px; min-height: 28px; margin: -4px; }
.js figure svg { cursor: zoom-in; }
dialog.zoom { width: min(96vw, 1600px); height: 94vh; max-width: none; max-height: none; padding: 10px;
  border: 1px solid var(--rule); border-radius: 12px; background: var(--card); color: var(--ink); overflow: hidden; }
dialog.zoom[open] { display: flex; flex-direction: column; gap: 8px; }
dialog.zoom::backdrop { background: rgb(0 0 0 / .6); }
.zoombar { display: flex; gap: 6px; align-items: center; } .zoombar strong { flex: 1; min-width: 0; overflow-wrap: anywhere;
  font-size: .95rem; }
.zoombox { flex: 1; min-height: 0; overflow: auto; background: var(--figure); border-radius: 8px; touch-action: pan-x pan-y;
  cursor: grab; user-select: none; }
.zoombox svg { display: block; height: auto; max-width: none; margin: 0 auto; }
a { color: var(--accent); }
figure svg { display: block; width: 100%; height: auto; background: var(--figure); border-radius: 6px; }
.sheet { list-style: none; padding: 0; margin: 0; display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(148px, 1fr)); }
.pic { position: relative; background: var(--card); border: 2px solid var(--right); border-radius: 10px; padding: 8px;
  font-size: .82rem; line-height: 1.35; min-width: 0; }
.pic.wrong { border-color: var(--wrong); }
.pic img, .nopicture { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; background: #ffffff;
  border-radius: 6px; }
.pic img { image-rendering: auto; }
.nopicture { background: var(--track); color: var(--soft); display: grid; place-items: center; }
.mark { position: absolute; top: -8px; right: -8px; width: 26px; height: 26px; border-radius: 50%; display: grid;
  place-items: center; font-weight: 700; font-size: .95rem; background: var(--right); color: var(--card);
  border: 2px solid var(--page); }
.wrong .mark { background: var(--wrong); }
.truth { font-weight: 650; margin: 6px 0 2px; overflow-wrap: anywhere; }
.pic ol { list-style: none; margin: 0; padding: 0; color: var(--soft); }
.pic ol li { display: flex; justify-content: space-between; gap: 8px; }
.pic ol li span { overflow-wrap: anywhere; min-width: 0; }
.pic ol li b { font-weight: 500; white-space: nowrap; font-variant-numeric: tabular-nums; }
.pic ol li.hit { color: var(--right); font-weight: 650; }
details { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 10px 16px;
  margin-bottom: 10px; }
summary { cursor: pointer; font-weight: 600; overflow-wrap: anywhere; }
pre.advice { white-space: pre-wrap; }
pre { overflow-x: auto; font: .82rem/1.45 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--page);
  padding: 12px; border-radius: 8px; }
ul.gaps { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; margin: 0;
  padding: 12px 18px 12px 34px; overflow-wrap: anywhere; }
footer { margin-top: 40px; color: var(--soft); font-size: .85rem; }
@media (max-width: 560px) { main { padding: 16px 12px 48px; } h1 { font-size: 1.4rem; } .big { font-size: 2.1rem; }
  .sheet { grid-template-columns: repeat(auto-fill, minmax(132px, 1fr)); } figure { padding: 8px; }
  figure svg text { font-size: 20px; } }
@media print { :root { color-scheme: light; --page: #ffffff; --card: #ffffff; --figure: #ffffff; --ink: #17202b;
  --soft: #566272; --rule: #c9d0d9; --accent: #0b62a4; --done: #15803d; --running: #0b62a4; --stopped: #92400e;
  --failed: #b91c1c; --missing: #566272; --later: #6d28d9; --right: #15803d; --wrong: #b91c1c; --warn: #92400e; }
  .card, figure, .pic, tr { break-inside: avoid; } h2, h3 { break-after: avoid; }
  nav, .tools, .enlarge, #compare, dialog { display: none !important; }
  main { max-width: none; padding: 0; }
  .scroll, .scroll.long { overflow: visible; max-height: none; border: 0; border-radius: 0; }
  table { font-size: 6.5pt; } th, td { padding: 2px; white-space: normal; }
  th:first-child, td:first-child, .long thead th { position: static; max-width: none; }
  td.text, tbody th { overflow-wrap: anywhere; } .message { min-width: 0; } th button { white-space: normal; } th button::after { content: ""; } thead { display: table-header-group; }
  .figures { grid-template-columns: 1fr 1fr; } pre { white-space: pre-wrap; overflow-wrap: anywhere; } }
)css";
}

}  // namespace clip_hpc
