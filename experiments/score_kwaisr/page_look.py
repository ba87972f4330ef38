"""Style and script of the page to compare pictures on."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --line: #d5d8dc; --soft: #f3f5f7; --mark: #2f6fab; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e6e9; --paper: #16181b; --line: #3b4046; --soft: #212429;
        --mark: #6ca9df; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 72rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } p { margin: .3rem 0; }
h2 { font-size: 1.2rem; margin: 3rem 0 .2rem; padding-top: 1rem; border-top: 1px solid var(--line);
     overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; margin: .6rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem; text-align: left; }
thead th { background: var(--soft); } thead th + th { text-align: right; }
td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; } td.best { font-weight: 700; }
.compare { margin: .8rem 0; }
.controls { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: center; margin-bottom: .5rem; }
.controls label { display: flex; gap: .5rem; align-items: center; }
.controls select, .controls input { font: inherit; accent-color: var(--mark); max-width: 100%; }
.controls input { width: 16rem; }
.stage { position: relative; overflow: hidden; border-radius: 4px; touch-action: pan-y; cursor: ew-resize;
         background: var(--soft); user-select: none; --cut: 50%; }
.stage img { position: absolute; inset: 0; width: 100%; height: 100%; visibility: hidden; }
.stage img.left { visibility: visible; }
.stage img.right { visibility: visible; clip-path: inset(0 0 0 var(--cut)); z-index: 1; }
.stage .line { position: absolute; top: 0; bottom: 0; left: var(--cut); width: 2px; margin-left: -1px;
               background: #fff; box-shadow: 0 0 0 1px #000a; z-index: 2; }
.stage .box { position: absolute; border: 2px solid #ffd400; box-shadow: 0 0 0 1px #000a, inset 0 0 0 1px #000a;
              color: #000; z-index: 2; }
.box span { background: #ffd400; font-size: .8rem; line-height: 1; padding: .1rem .3rem; position: absolute; }
.crops { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .7rem; margin: .5rem 0; }
.crops figure { margin: 0; max-width: 18rem; }
.crops img { width: 100%; display: block; image-rendering: pixelated; border-radius: 3px; }
figcaption, .note { font-size: .9rem; } :focus-visible { outline: 3px solid var(--mark); outline-offset: 2px; }
"""

SCRIPT = """
for (const figure of document.querySelectorAll(".compare")) {
  const [left, right] = figure.querySelectorAll("select");
  const cut = figure.querySelector("input"), stage = figure.querySelector(".stage");
  const show = () => {
    for (const view of stage.querySelectorAll("img")) {
      view.className = view.dataset.view === left.value ? "left" : view.dataset.view === right.value ? "right" : "";
    }
    stage.style.setProperty("--cut", cut.value + "%");
  };
  const drag = (event) => {
    if (!event.buttons) return;
    const box = stage.getBoundingClientRect();
    cut.value = 100 * (event.clientX - box.left) / box.width;
    show();
  };
  for (const control of [left, right, cut]) control.addEventListener("input", show);
  for (const kind of ["pointerdown", "pointermove"]) stage.addEventListener(kind, drag);
  show();
}
"""
