/** The report's style sheet: dark and light by the reader's setting, one column, legible on a phone and on paper. */

/** Of light pages, and of paper. */
const light =
  "--ground:#fff; --panel:#f6f7f9; --line:#dfe3e8; --ink:#1d242c; --soft:#57616d; --bn:#2f6fde; --nobn:#c4640a; --yes:#1a7f45; --no:#b3261e; --open:#8a6100;"

export const style = `
:root { color-scheme: light dark; ${light} }
@media (prefers-color-scheme: dark) { :root { --ground:#14181d; --panel:#1c2229; --line:#323b46; --ink:#e6eaef;
  --soft:#a3adb8; --bn:#7aa7f5; --nobn:#f0a35e; --yes:#5fd08c; --no:#ff8a80; --open:#e5bd5b; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin:0; background:var(--ground); color:var(--ink); font:16px/1.55 Inter, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
a { color:var(--bn); }
a:focus-visible, summary:focus-visible, select:focus-visible, button:focus-visible, .scroll:focus-visible { outline:2px solid var(--bn); outline-offset:2px; }
.skip { position:absolute; left:-999px; } .skip:focus { left:1rem; top:1rem; background:var(--ground); padding:.5rem; }
.layout { max-width:1180px; margin:0 auto; padding:0 1.25rem 4rem; display:grid; grid-template-columns:11rem minmax(0,1fr); gap:2.5rem; }
nav { position:sticky; top:0; align-self:start; padding-top:2.2rem; max-height:100vh; overflow:auto; font-size:.875rem; }
nav ol { list-style:none; margin:0; padding:0; } nav a { display:block; padding:.2rem 0; color:var(--soft); text-decoration:none; }
nav a:hover { color:var(--ink); }
main { min-width:0; }
h1 { font-size:1.75rem; line-height:1.2; margin:2rem 0 .4rem; letter-spacing:-.01em; }
h2 { font-size:1.3rem; margin:3.2rem 0 .6rem; padding-top:1rem; border-top:1px solid var(--line); letter-spacing:-.005em; }
h3 { font-size:1.02rem; margin:1.8rem 0 .4rem; }
p, li { max-width:46rem; } .lead { font-size:1.06rem; } .soft, figcaption, caption { color:var(--soft); }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap:anywhere; }
.cards { display:grid; grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr)); gap:.75rem; margin:1.2rem 0; }
.card { background:var(--panel); border:1px solid var(--line); border-radius:10px; padding:.75rem .9rem; }
.card b { display:block; font-size:1.5rem; line-height:1.25; font-weight:600; font-variant-numeric:tabular-nums; }
.card span { font-size:.82rem; color:var(--soft); display:block; }
.card.bn b { color:var(--bn); } .card.nobn b { color:var(--nobn); }
.badge { display:inline-block; justify-self:start; font-size:.78rem; font-weight:600; border:1px solid currentColor; border-radius:99px; padding:.05rem .55rem; white-space:nowrap; }
.supported, .equivalent { color:var(--yes); } .not-supported, .different { color:var(--no); } .undecided, .mixed { color:var(--open); }
.advice { background:var(--panel); border-left:4px solid var(--bn); border-radius:6px; padding:.7rem 1rem; font-size:1.06rem; max-width:none; }
.first { display:grid; grid-template-columns:minmax(0,35rem) minmax(0,1fr); gap:1rem 2rem; align-items:start; } .first figure { margin:.4rem 0; } .first h3 { margin-top:.6rem; }
ol.findings { padding-left:1.2rem; margin:.4rem 0; } ol.findings li { margin:.45rem 0; } .slim { display:none; }
dl.settings { display:flex; flex-wrap:wrap; gap:.3rem 1.6rem; margin:.8rem 0; font-size:.86rem; } dl.settings dt { color:var(--soft); font-size:.78rem; } dl.settings dd { margin:0; }
ul.claims { list-style:none; padding:0; margin:1rem 0; } ul.claims li { display:grid; grid-template-columns:8.5rem 1fr; gap:.8rem; padding:.4rem 0; border-top:1px solid var(--line); max-width:none; align-items:start; }
figure { margin:1.2rem 0; } .chart { overflow-x:auto; } .chart svg, .chart img { display:block; height:auto; } .chart:focus-visible { outline:2px solid var(--bn); outline-offset:2px; } .chart img { max-width:100%; }
figcaption { font-size:.88rem; max-width:46rem; margin-top:.35rem; }
.scroll { overflow-x:auto; margin:1rem 0; border:1px solid var(--line); border-radius:8px; }
table { border-collapse:collapse; font-size:.88rem; width:100%; font-variant-numeric:tabular-nums; }
caption { text-align:left; padding:.6rem .75rem; font-size:.85rem; }
th, td { padding:.34rem .75rem; text-align:left; border-top:1px solid var(--line); white-space:nowrap; } thead th { border-top:1px solid var(--line); color:var(--soft); font-weight:500; font-size:.8rem; }
tbody th { font-weight:500; } td.n, th.n { text-align:right; } tr.total th, tr.total td { font-weight:600; } tr.chosen { background:var(--panel); }
details { margin:1rem 0; border:1px solid var(--line); border-radius:8px; padding:.5rem .9rem; } summary { cursor:pointer; font-weight:500; }
.grid { display:grid; grid-template-columns:repeat(auto-fill,minmax(15.5rem,1fr)); gap:.9rem; margin:1.2rem 0; }
.shot { background:var(--panel); border:1px solid var(--line); border-radius:10px; padding:.8rem; font-size:.84rem; }
.shot img { width:112px; height:112px; border-radius:6px; background:#fff; display:block; }
.pair { display:flex; gap:.6rem; margin-bottom:.6rem; } .shot .pair img { width:calc(50% - .3rem); height:auto; aspect-ratio:1; }
.looked { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr)); gap:1.2rem; } .looked { font-size:.84rem; } p, li, .card, .shot, .looked, .small figcaption { overflow-wrap:anywhere; } .shot .top > div { min-width:0; } .three { display:grid; grid-template-columns:repeat(3,minmax(0,1fr)); gap:.5rem; } .three img { width:100%; height:auto; aspect-ratio:1; border-radius:6px; background:#fff; } .three p { margin:.2rem 0 0; }
.shot .top { display:flex; gap:.8rem; align-items:flex-start; } .shot .label { font-weight:600; font-size:.95rem; } .shot .path { color:var(--soft); font-size:.74rem; overflow-wrap:anywhere; }
.bars { margin:.6rem 0 0; } .bars h3 { margin:.5rem 0 .15rem; font-size:.76rem; color:var(--soft); font-weight:500; }
.bar { display:grid; grid-template-columns:minmax(0,1fr) 4.2rem; gap:.5rem; align-items:center; position:relative; padding:.08rem .35rem; }
.bar i { position:absolute; inset:0 auto 0 0; background:var(--bn); opacity:.18; border-radius:4px; } .bar span { position:relative; overflow:hidden; text-overflow:ellipsis; white-space:nowrap; } .bar span:last-child { text-align:right; font-variant-numeric:tabular-nums; }
.bar.right { font-weight:600; } .bar.right i { background:var(--yes); opacity:.3; }
.small { display:grid; grid-template-columns:repeat(auto-fill,minmax(8.6rem,1fr)); gap:.7rem; } .small figure { margin:0; font-size:.8rem; } .small img { width:96px; height:96px; border-radius:6px; background:#fff; border:1px solid var(--line); }
.claim { border:1px solid var(--line); border-radius:10px; padding:.9rem 1.1rem; margin:1rem 0; } .claim h3 { margin:.1rem 0 .4rem; }
.pick { margin:1rem 0; display:flex; flex-wrap:wrap; gap:.5rem 1.2rem; align-items:end; font-size:.88rem; } .pick label { display:grid; gap:.1rem; color:var(--soft); } .pick select { max-width:15rem; } .pick select, .pick button { font:inherit; padding:.25rem .5rem; background:var(--panel); color:var(--ink); border:1px solid var(--line); border-radius:6px; }
.from { font-size:.82rem; color:var(--soft); margin:-.3rem 0 .8rem; } .from a { color:inherit; } #provenance td, #provenance th { vertical-align:top; padding:.34rem .6rem; } .wrap, .narrow { overflow-wrap:anywhere; min-width:10.5rem; } .narrow { min-width:8rem; max-width:9.5rem; }
.matrices { display:flex; flex-wrap:wrap; gap:1rem; } [data-cell] { cursor:pointer; } g[data-cell]:hover rect { stroke:currentColor; stroke-width:2; }
#mistakes img { width:80px; height:80px; } #mistakes { scroll-margin-top:1rem; }
[hidden] { display:none !important; }
@media screen { tbody th, td:not(.n) { white-space:normal; overflow-wrap:break-word; min-width:5.5rem; max-width:16rem; } }
@media (max-width: 1080px) { .first { grid-template-columns:minmax(0,1fr); } }
@media (max-width: 640px) { .wide { display:none; } .slim { display:block; } .wrap { min-width:6.5rem; } }
@media (max-width: 860px) { .layout { grid-template-columns:minmax(0,1fr); gap:0; } nav { position:static; padding-top:1rem; max-height:none; } nav ol { display:flex; flex-wrap:wrap; gap:.1rem .9rem; } ul.claims li { grid-template-columns:1fr; gap:.2rem; } }
@media (forced-colors: active) { .bar i { forced-color-adjust:none; background:Highlight; } }
@page { margin:14mm 13mm; }
@media print {
:root { color-scheme: light; ${light} }
body { font-size:10.5pt; } nav, .pick, .skip, #mistakes form, #mistakes [role=status] { display:none !important; }
.layout, main.one { display:block; max-width:none; padding:0; } h1 { margin-top:0; } h2 { margin-top:1.6rem; } h2, h3, caption, .from, summary { break-after:avoid; }
details::details-content { content-visibility:visible; block-size:auto; } details { border:0; padding:0; } summary { list-style:none; }
.chart, .shot, .three, .claim, .cards, .card, .first > div, tr, figcaption, #mistakes figure { break-inside:avoid; } figcaption { break-before:avoid; } p { orphans:3; widows:3; }
.scroll, .chart { overflow:visible; border:0; } .chart svg, .chart img { max-width:100%; max-height:23cm; } #figure-confusion .matrices > div { width:48%; } #figure-confusion svg { width:100% !important; }
.bar i, .badge, svg, .advice, tr.chosen, .card { print-color-adjust:exact; -webkit-print-color-adjust:exact; }
table { font-size:8pt; } th, td { padding:.12rem .3rem; } th, td { white-space:normal; } td, th[scope=row], caption, figcaption { overflow-wrap:anywhere; } td.n { white-space:nowrap; }
figure .scroll { columns:2; column-gap:1.5rem; } figure .scroll:has(th:nth-child(5)) { columns:1; }
.small { grid-template-columns:repeat(7,minmax(0,1fr)); gap:.4rem; } #mistakes .small figure { font-size:6.5pt; line-height:1.3; } #mistakes img { width:56px; height:56px; } .looked { grid-template-columns:1fr 1fr; } .grid { grid-template-columns:repeat(3,minmax(0,1fr)); }
}
`
