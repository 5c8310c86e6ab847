"""The style sheet of a picture of drift: light and dark screens, narrow ones, and paper."""

from __future__ import annotations

__all__ = ["STYLE"]

# Drift is told by the orange of the Okabe-Ito palette and by the size of its dots, so that it does not depend on seeing colours.
STYLE = """
:root{--paper:#fff;--ink:#1c2430;--soft:#5f6b7a;--rule:#e3e7ec;--line:#33658a;--drift:#d1480a;--span:#f2a65a;--bar:#b9c6d3;--bound:#8a94a1}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--ink:#e6eaf0;--soft:#97a3b3;--rule:#2a313b;--line:#7fb2dd;--drift:#ff8a4c;
--span:#b8621b;--bar:#3d4a59;--bound:#6f7b8b}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:28px 24px 40px}
h1{font-size:24px;line-height:1.2;margin:0 0 4px;font-weight:650}
h2{display:inline;font-size:16px;font-weight:600}
h2 small{font-weight:400;color:var(--soft);margin-left:.6em;font-size:14px}
summary{padding:14px 0 8px;cursor:pointer}
dl{display:flex;flex-wrap:wrap;gap:10px 34px;margin:4px 0 18px}
dt{color:var(--soft);font-size:12px}
dd{margin:0;font-size:16px;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:500}
.alerts{margin:0 0 18px;font-size:13px}
.alerts th{color:var(--soft);font-size:12px;padding:4px 14px 4px 0;border-bottom:1px solid var(--rule)}
.alerts td{padding:5px 14px 5px 0;border-bottom:1px solid var(--rule);vertical-align:top}
.alerts td:nth-child(-n+2){white-space:nowrap}
.n{text-align:right;font-variant-numeric:tabular-nums}
.none{color:var(--soft)}
.reasons>td{padding:0 0 10px!important;white-space:normal!important}
.reasons summary{padding:6px 0;color:var(--soft);font-size:12px}
.key{margin-left:14px}
.key i{display:inline-block;width:10px;height:10px;margin:0 5px 0 12px;vertical-align:-1px}
.before{fill:var(--bound);background:var(--bound)}
.after{fill:var(--drift);background:var(--drift)}
.why{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,520px),1fr));gap:14px 34px;padding:4px 0 8px}
.why figure{margin:0;min-width:0}
.why figcaption{margin-bottom:6px;overflow-wrap:anywhere}
.why small{color:var(--soft)}
.side{display:flex;gap:22px;align-items:flex-start}
.facts{width:auto;flex:none;font-size:12px;font-variant-numeric:tabular-nums}
.facts th,.facts td,.lying th,.lying td{border:0!important;padding:1px 10px 1px 0!important;line-height:1.35;white-space:nowrap!important}
.facts td,.facts thead th{text-align:right}
.facts tbody th,.facts thead th{color:var(--soft);font-weight:400}
.upright{flex:1;min-width:0;padding-bottom:2px}
.upright svg{display:block;width:100%;border-bottom:1px solid var(--bound)}
.hit{fill:transparent}
.hit:hover{fill:var(--ink);opacity:.1}
.labels{position:relative;height:16px;font-size:10.5px;color:var(--soft)}
.labels span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.lying{flex:1;min-width:0;font-size:12px;font-variant-numeric:tabular-nums}
.lying th{font-weight:400;max-width:130px;overflow:hidden;text-overflow:ellipsis}
.lying td{text-align:right}
.lying .bars{width:60%}
.lying .bars i{display:block;height:5px;margin:1px 0}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 22px;margin:0 0 6px;padding:0;color:var(--soft);font-size:12.5px}
.legend svg{vertical-align:-2px;margin-right:7px;overflow:visible}
.charts{table-layout:fixed}
.charts th:first-child{width:150px;padding-right:14px;overflow-wrap:anywhere}
.charts th:last-child,.reading{width:224px;padding-left:16px}
.charts thead th{position:sticky;top:0;z-index:1;background:var(--paper);color:var(--soft);font-size:12px;height:30px;
border-bottom:1px solid var(--rule)}
.axis div{position:relative;height:18px}
.axis span{position:absolute;white-space:nowrap;padding-left:4px;border-left:1px solid var(--rule)}
.charts tbody th,.charts tbody td{border-bottom:1px solid var(--rule);vertical-align:middle;padding-top:2px;padding-bottom:2px}
.charts small,.reading small{display:block;color:var(--soft);font-size:12px;font-weight:400;line-height:1.3}
.charts tbody th{line-height:1.25}
.drifting th{font-weight:650}
.calm th,.calm .reading{color:var(--soft)}
.calm th{font-size:13px}
.reading{font-size:12.5px;line-height:1.3;font-variant-numeric:tabular-nums}
.drifting b{color:var(--drift);font-weight:600}
.charts svg{display:block;width:100%;overflow:visible}
svg path{fill:none;vector-effect:non-scaling-stroke}
.value{stroke:var(--line);stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}
.bound{stroke:var(--bound);stroke-width:1;stroke-dasharray:4 3}
.drift{stroke:var(--drift);stroke-width:6;stroke-linecap:round}
.mark{stroke:var(--line);stroke-width:3.5;stroke-linecap:round}
.grid{stroke:var(--rule);stroke-width:1}
.charts td{position:relative}
.charts td>i{position:absolute;right:3px;margin-top:-4px;font:10px/1 system-ui,"DejaVu Sans",sans-serif;color:var(--soft);background:var(--paper);
opacity:.85;padding:0 2px;pointer-events:none}
.dense{stroke-width:4}
.open{stroke:var(--bound);stroke-width:4;stroke-linecap:round}
.span{fill:var(--span);opacity:.24}
.bars rect{fill:var(--bar)}
.bars rect:hover{fill:var(--line)}
.hover rect{fill:transparent}
.hover rect:hover{fill:var(--ink);opacity:.12}
footer{color:var(--soft);font-size:12px;margin-top:18px}
@media (max-width:760px){main{padding:16px 12px}.charts th:first-child{width:96px}.charts th:last-child,.reading{width:110px;padding-left:8px}
.alerts>thead th:last-child,.alerts>tbody>tr:not(.reasons)>td:last-child{display:none}.side{flex-direction:column;align-items:stretch}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--rule:#ccc;--line:#225;--drift:#b33c00;--span:#f2a65a;--bar:#aaa;--bound:#777}
body{font-size:10pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}
.charts thead th{position:static}tr{break-inside:avoid}h2{break-after:avoid}thead{display:table-header-group}.hover{display:none}}
"""
