#pragma once

namespace report::detail {

/// The look of a report's page.
inline constexpr char const* page_style = R"(
:root { --ink: #1c2430; --quiet: #5b6675; --line: #dde2e8; --back: #f5f6f8; --link: #0b5cad; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif; }
header, nav, main, footer { max-width: 1200px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 12px; letter-spacing: -0.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 0 12px 6px 0; }
p { margin: 0 0 14px; max-width: 82ch; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
.note { background: #fff4d6; border-left: 4px solid #e0a100; padding: 10px 14px; }
nav ul { list-style: none; margin: 0 0 28px; padding: 0; display: grid; gap: 2px 32px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 430px), 1fr)); }
nav li { display: flex; justify-content: space-between; align-items: flex-start; gap: 12px; padding: 6px 0; border-bottom: 1px solid var(--line); }
.total { font-size: 1.05rem; margin: 6px 0 10px; }
section, footer { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 24px; margin: 0 0 24px; }
footer { margin: 0 auto 40px; max-width: 1152px; }
.badge { display: inline-block; flex: none; white-space: nowrap; font-size: 0.8rem; line-height: 1.5; padding: 0 9px; border-radius: 99px;
  font-weight: 600; }
section > .badge { margin-bottom: 10px; }
.yes { background: #d9f2e3; color: #0c5a30; } .no { background: #fbdfdc; color: #8f1d14; } .some { background: #fdeecb; color: #6d4a00; }
.figures { display: grid; gap: 18px; margin: 8px 0 20px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
figure { margin: 0; min-width: 0; max-width: 640px; }
figcaption { font-weight: 600; font-size: 0.95rem; margin-bottom: 4px; }
figure svg { display: block; width: 100%; height: auto; }
.missing { color: var(--quiet); border: 1px dashed var(--line); padding: 24px; text-align: center; }
.scroll { overflow-x: auto; margin: 0 0 20px; }
table { border-collapse: collapse; font-size: 0.9rem; min-width: 50%; }
caption { text-align: left; font-weight: 600; font-size: 0.95rem; padding-bottom: 6px; }
th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--line); }
th { color: var(--quiet); font-weight: 600; border-bottom: 2px solid var(--line); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.claims td:first-child { min-width: 240px; max-width: 62ch; }
.claims td:nth-child(3) { white-space: nowrap; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 3px 16px; margin: 0; font-size: 0.85rem; color: var(--quiet); }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  header, nav, main { padding-left: 14px; padding-right: 14px; }
  section, footer { padding: 16px 14px; border-radius: 8px; }
  footer { margin: 0 14px 28px; }
  h1 { font-size: 1.5rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; }
}
@media print { body { background: #fff; } section, footer { border: 0; padding: 0; break-inside: avoid; } nav { display: none; } }
)";

} // namespace report::detail
