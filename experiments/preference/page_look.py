"""Style and script of the page to vote on."""

STYLE = """
:root { color-scheme: light dark; --line: #8886; --quiet: light-dark(#5c5c5c, #a8a8a8);
  --mark: light-dark(#1a56b0, #82b1ff); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 90rem; margin: 0 auto; padding: 1rem; }
header { display: flex; gap: 1.5rem; align-items: baseline; flex-wrap: wrap; }
h1 { font-size: 1.25rem; margin: 0; } #place { color: var(--quiet); font-variant-numeric: tabular-nums; flex: 1; }
#pair { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; margin: .75rem 0; }
#pair button { padding: 0; border: 3px solid var(--line); border-radius: 6px; background: none; cursor: pointer;
  overflow: auto; max-height: 74vh; }
#pair button:hover, #pair button:focus-visible { border-color: var(--mark); outline: none; }
#pair img { display: block; width: 100%; height: auto; }
#pair.zoom img { width: 250%; max-width: none; image-rendering: pixelated; }
nav { display: flex; gap: .75rem; flex-wrap: wrap; }
nav button, input { font: inherit; padding: .4rem .9rem; }
p, figcaption { color: var(--quiet); font-size: .9rem; } figure { margin: 0; }
figure img { max-width: 24rem; width: 50%; }
@media (max-width: 40rem) { #pair { grid-template-columns: 1fr; } }
"""

SCRIPT = """
const study = JSON.parse(new TextDecoder().decode(Uint8Array.from(
  atob(document.getElementById("held").textContent), sign => sign.charCodeAt(0))));
const key = "STUDY_KEY", get = id => document.getElementById(id), sides = { left: get("left"), right: get("right") };
let votes = {};
try { votes = JSON.parse(localStorage.getItem(key)) || {};
  get("rater").value = localStorage.getItem(key + "-rater") || "";
} catch (error) { /* a browser that keeps nothing still lets vote */ }
let at = 0;
while (at < study.pairs.length && at in votes) at += 1;
const keep = () => { try { localStorage.setItem(key, JSON.stringify(votes));
  localStorage.setItem(key + "-rater", get("rater").value); } catch (error) { /* as above */ } };
function show() {
  const total = study.pairs.length, done = Object.keys(votes).length, over = at >= total;
  get("place").textContent = over ? `all ${total} pairs are voted on: save the votes`
    : `pair ${at + 1} of ${total}, ${done} voted`;
  get("pair").hidden = over; get("tie").disabled = over; get("back").disabled = at === 0;
  if (over) { get("pair").style.display = "none"; get("input").hidden = true; get("save").focus(); return; }
  get("pair").style.display = "";
  const [image, first, second] = study.pairs[at], shown = study.pictures[image];
  sides.left.firstElementChild.src = shown[first]; sides.right.firstElementChild.src = shown[second];
  get("input").hidden = !("input" in shown);
  if ("input" in shown) get("input").firstElementChild.src = shown.input;
  for (const side of Object.values(sides)) { side.scrollTop = 0; side.scrollLeft = 0; side.blur(); }
}
function vote(winner) { if (at >= study.pairs.length) return; votes[at] = winner; keep(); at += 1; show(); }
const chosen = side => { if (at < study.pairs.length) vote(study.pairs[at][side]); };
sides.left.addEventListener("click", () => chosen(1));
sides.right.addEventListener("click", () => chosen(2));
get("tie").addEventListener("click", () => vote("tie"));
get("back").addEventListener("click", () => { if (at > 0) { at -= 1; show(); } });
get("zoom").addEventListener("click", () => { const on = get("pair").classList.toggle("zoom");
  get("zoom").setAttribute("aria-pressed", on); });
// Enlarged, both are moved together.
let moving = false;
for (const [mine, other] of [["left", "right"], ["right", "left"]]) sides[mine].addEventListener("scroll", () => {
  if (moving) { moving = false; return; }
  const from = sides[mine], to = sides[other];
  if (to.scrollTop !== from.scrollTop || to.scrollLeft !== from.scrollLeft) {
    moving = true; to.scrollTop = from.scrollTop; to.scrollLeft = from.scrollLeft; } });
get("rater").addEventListener("input", keep);
document.addEventListener("keydown", event => {
  if (event.target === get("rater") || event.ctrlKey || event.metaKey || event.altKey) return;
  const does = { ArrowLeft: () => chosen(1), ArrowRight: () => chosen(2), " ": () => vote("tie"),
    Backspace: () => get("back").click(), z: () => get("zoom").click() }[event.key];
  if (does) { event.preventDefault(); does(); } });
const cell = text => /[",\\r\\n]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
function table() {
  const rows = Object.entries(votes).map(([place, winner]) =>
    [get("rater").value || "anonymous", ...study.pairs[place], winner].map(cell).join(","));
  return ["rater,image,system_a,system_b,winner", ...rows].join("\\n") + "\\n"; }
get("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = "data:text/csv;charset=utf-8," + encodeURIComponent(table());
  link.download = `votes-${(get("rater").value || "anonymous").replace(/[^\\w-]/g, "_")}.csv`; link.click(); });
show();
"""
