#include "style.hpp"

namespace clip_hpc {

const char* page_style() {
  return R"css(
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --figure: #ffffff; --ink: #17202b; --soft: #566272;
  --rule: #dde2e9; --accent: #0b62a4; --right: #15803d; --wrong: #b91c1c; --warn: #92400e; --track: #e5e9ef; --mark: #b45309; }
@media (prefers-color-scheme: dark) { :root { --page: #11161d; --card: #1a212b; --figure: #e9edf2; --ink: #e6ebf1;
  --soft: #9fabba; --rule: #2e3947; --accent: #6db3ee; --right: #4ade80; --wrong: #f87171; --warn: #fbbf24;
  --track: #2e3947; --mark: #fb923c; } }
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
.big small { font-size: .95rem; font-weight: 400; color: var(--soft); }
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
dl.left { grid-template-columns: auto minmax(0, 1fr); } dl.left dd { text-align: left;
  overflow-wrap: anywhere; }
.none { color: var(--warn); font-weight: 600; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; font-size: .88rem; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; font-weight: 600; position: sticky; left: 0;
  background: var(--card); max-width: 42vw; overflow: hidden; text-overflow: ellipsis; }
tr:last-child td { border-bottom: 0; }
td.text, th.text { text-align: left; }
.figures { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 430px), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px;
  min-width: 0; }
figcaption { font-weight: 600; margin-bottom: 8px; font-size: .95rem; display: flex; justify-content: space-between;
  gap: 12px; overflow-wrap: anywhere; }
figcaption a { font-weight: 400; font-size: .85rem; white-space: nowrap; }
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
@media print { .card, figure, .pic { break-inside: avoid; } }
)css";
}

}  // namespace clip_hpc
