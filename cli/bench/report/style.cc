#include "bench/report/style.h"

namespace cli {

// --s0 is tincan's own; --s1 to --s10 are the others'. Each can be told from the paper, bright or
// dark, by eyes that see less: at least 4.5 to 1.
const char* const report_style = R"css(
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --box: #f2f2ee; --ink: #22252a; --soft: #5c636d; --rule: #d6d6d0;
  --grid: #e3e3de; --link: #1558b0; --warn: #8a4b00; --warn-paper: #fff3dc; --ours: #fdeee6;
  --s0: #cf3f00; --s1: #1c66c9; --s2: #2b7d3c; --s3: #7b3fc4; --s4: #087a82; --s5: #8a5a00;
  --s6: #b5179e; --s7: #55606e; --s8: #2f3e9e; --s9: #55720c; --s10: #9b2226;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --box: #1f2227; --ink: #e4e5e7; --soft: #a3aab4; --rule: #3a3f47;
    --grid: #2c3037; --link: #86b9ff; --warn: #ffc46b; --warn-paper: #352813; --ours: #33211a;
    --s0: #ff8a50; --s1: #6cb0ff; --s2: #6fd388; --s3: #b794f6; --s4: #4fd1d9; --s5: #e0b54a;
    --s6: #f08bdc; --s7: #a9b4c2; --s8: #98a5ff; --s9: #b5d56a; --s10: #ff9a9a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
header, main, footer { max-width: 74rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.4rem; margin: 3rem 0 .75rem; padding-top: .75rem;
     border-top: 1px solid var(--rule); }
h3 { font-size: 1.08rem; margin: 2rem 0 .4rem; }
p, li, dd { overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 46rem; }
ul { padding-left: 1.2rem; max-width: 46rem; }
a { color: var(--link); }
.when, .note, figure > p { color: var(--soft); font-size: .92rem; }
.summary { font-size: 1.08rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; padding: 0;
         margin: 1rem 0; }
.warnings { max-width: 46rem; background: var(--warn-paper); border-left: .3rem solid var(--warn);
            padding: .7rem 1rem; margin: 1.2rem 0; }
.warnings h2 { font-size: 1rem; margin: 0; padding: 0; border: 0; color: var(--warn); }
.warnings ul { margin: .3rem 0 0; }
figure { margin: 2.2rem 0; max-width: 60rem; }
figure h3 { margin-bottom: .2rem; }
svg.plot { display: block; width: 100%; height: auto; color: var(--ink); margin-top: .3rem;
           font-family: system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
svg.narrow { display: none; }
.keys { list-style: none; display: flex; flex-wrap: wrap; gap: .15rem 1.1rem; padding: 0;
        margin: .6rem 0 0; max-width: none; font-size: .9rem; }
.keys .ours { font-weight: 600; }
.key { vertical-align: -2px; fill: none; }
details { margin: .6rem 0; }
summary { cursor: pointer; font-weight: 600; font-size: .95rem; padding: .2rem 0; }
details > p { font-size: .9rem; color: var(--soft); margin: .2rem 0; }
.scroll { overflow-x: auto; border: 1px solid var(--rule); border-radius: 4px;
          margin: .4rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .86rem; line-height: 1.35;
        font-variant-numeric: tabular-nums; }
th, td { padding: .38rem .6rem; text-align: right; vertical-align: top; white-space: nowrap; }
thead th { background: var(--box); color: var(--soft); font-weight: 600; vertical-align: bottom; }
tbody tr { border-top: 1px solid var(--rule); }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--paper);
                 font-weight: 600; border-right: 1px solid var(--rule); }
thead th:first-child { background: var(--box); }
tr.ours th, tr.ours td { background: var(--ours); }
.name { text-align: left; }
td small { display: block; color: var(--soft); font-size: .92em; }
tr.out td, tr.failed td { text-align: left; color: var(--soft); font-style: italic; }
tr.failed td { color: var(--warn); }
tr.out td span, tr.failed td span { position: sticky; left: 12rem; }
dl.ways, dl.machine { margin: .8rem 0; font-size: .93rem; }
dl > div { display: grid; grid-template-columns: 12rem 1fr; gap: 0 1rem; padding: .25rem 0;
           border-top: 1px solid var(--rule); }
dt { font-weight: 600; }
dd { margin: 0; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, "DejaVu Sans Mono", monospace;
            font-size: .9em; }
pre { background: var(--box); padding: .8rem 1rem; white-space: pre-wrap; overflow-wrap: anywhere;
      border-radius: 4px; }
footer { margin-top: 3rem; padding-bottom: 3rem; color: var(--soft); font-size: .9rem; }
@media (max-width: 40rem) {
  header, main, footer { padding-left: .9rem; padding-right: .9rem; }
  header { padding-top: 1.5rem; }
  h1 { font-size: 1.5rem; }
  svg.wide { display: none; }
  svg.narrow { display: block; }
  th:first-child { white-space: normal; min-width: 6.5rem; max-width: 8rem; }
  tr.out td span, tr.failed td span { left: 8.5rem; }
  th, td { padding: .35rem .5rem; }
  dl > div { grid-template-columns: 1fr; }
}
@media print {
  .scroll { overflow: visible; }
  figure, tr { break-inside: avoid; }
}
)css";

}  // namespace cli
