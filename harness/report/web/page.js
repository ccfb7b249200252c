// Filters, charts and the reader. Text of models is only ever set as text. Without this script the verdicts still read.
"use strict";
const byId = (id) => document.getElementById(id);
const element = (tag, text, name) => {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
};
const fill = (select, names) => select.replaceChildren(...names.map((name, value) => {
  const option = element("option", name);
  option.value = value;
  return option;
}));
// Control characters and marks that turn text around are shown, not obeyed.
const harmless = (text) => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");

function filtering() {
  const [words, family, model, trait, verdict] = ["words", "family", "model", "trait", "verdict"].map(byId);
  const apply = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let cells = 0, claims = 0;
    for (const line of document.querySelectorAll(".map .line")) {
      let shown = 0;
      for (const place of line.querySelectorAll("td")) {
        for (const mark of place.querySelectorAll(".mark")) {
          const fits = (!model.value || place.dataset.model === model.value)
            && (!trait.value || mark.dataset.trait === trait.value)
            && (!verdict.value || mark.dataset.verdict === verdict.value);
          mark.hidden = !fits;
          shown += fits;
        }
      }
      const fits = (!family.value || line.dataset.family === family.value)
        && wanted.every((word) => line.dataset.words.includes(word)) && shown > 0;
      line.hidden = !fits;
      cells += fits ? shown : 0;
      claims += fits;
      const article = byId(line.dataset.claim);
      article.hidden = !fits;
      for (const row of article.querySelectorAll(".cell")) {
        row.hidden = Boolean((model.value && row.dataset.model !== model.value)
          || (trait.value && row.dataset.trait !== trait.value)
          || (verdict.value && row.dataset.verdict !== verdict.value));
      }
    }
    byId("found").textContent = `${claims} claims, ${cells} cells`;
  };
  for (const input of [words, family, model, trait, verdict]) input.addEventListener("input", apply);
  apply();
}

async function unpacked() {
  const bytes = Uint8Array.from(atob(byId("data").textContent), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const CONFIG = {
  background: "transparent", font: "system-ui, sans-serif", view: {stroke: "transparent"},
  axis: {labelFontSize: 11, titleFontSize: 12, labelColor: "currentColor", titleColor: "currentColor", tickColor: "currentColor", domainColor: "currentColor", gridOpacity: 0.25},
  legend: {labelColor: "currentColor", titleColor: "currentColor", labelLimit: 420, labelFontSize: 12}, header: {labelColor: "currentColor"},
  title: {color: "currentColor"}, text: {color: "currentColor"}, rule: {color: "currentColor"},
};
const draw = (id, spec, description) => vegaEmbed(byId(id),
  {$schema: "https://vega.github.io/schema/vega-lite/v6.json", config: CONFIG, description, ...spec},
  {renderer: "svg", actions: false, ast: false});
// Room for a chart beside axes and legend, on a narrow screen, too.
const room = () => Math.max(200, Math.min(620, byId("map").clientWidth - 90));

// The directions that most claims are about come first.
const usual = (name) => /^(mean_diff|probe|mean_diff, (top-1|consensus) zeroed|random)(, by \w+)?(, block|$)/.test(name);
const named = (runs) => [...new Set(runs.filter((run) => run.block !== null).map(titleOf))]
  .sort((one, other) => usual(other) - usual(one) || one.localeCompare(other));
const titleOf = (run) => run.block === null ? run.direction : `${run.direction}, block ${run.block}`;
const shown = (score) => score === null ? "missing" : score.toFixed(0);

function curves({groups, gate}) {
  const group = byId("curve-group"), picked = byId("curve-directions");
  fill(group, groups.map((one) => `${one.model}, ${one.trait}`));
  const choose = () => {
    const names = named(groups[group.value].runs);
    const some = names.filter(usual);
    picked.replaceChildren(...names.map((name) => {
      const label = element("label"), box = element("input");
      box.type = "checkbox";
      box.value = name;
      box.checked = (some.length ? some : names.slice(0, 6)).includes(name);
      label.append(box, ` ${harmless(name)}`);
      return label;
    }));
    plot();
  };
  const plot = () => {
    const axis = document.querySelector("input[name=axis]:checked").value;
    const wanted = new Set([...picked.querySelectorAll("input:checked")].map((box) => box.value));
    const runs = groups[group.value].runs;
    const values = runs.filter((run) => run.block !== null && wanted.has(titleOf(run))).flatMap((run) =>
      ["trait", "coherence"].filter((what) => run[what][0] !== null).map((what) => ({
        direction: harmless(titleOf(run)), x: run[axis], what, y: run[what][0], low: run[what][1], high: run[what][2],
        best: run.best, n: run.questions,
      })));
    const unsteered = runs.filter((run) => run.block === null).slice(0, 1).flatMap((run) =>
      ["trait", "coherence"].map((what) => ({what, y: run[what][0]})));
    const base = runs.find((run) => run.block === null)?.trait[0] ?? 0;
    const published = axis === "dose" ? [] : groups[group.value].published.map((one) => (
      {x: one.coefficient, y: base + one.delta, title: harmless(one.title)}));
    const x = {field: "x", type: "quantitative", scale: {type: "log", nice: false}, title: axis};
    const y = (field, title) => ({field, type: "quantitative", scale: {domain: [0, 100]}, title});
    const colour = {field: "direction", type: "nominal", scale: {scheme: "tableau10"},
      legend: {orient: "bottom", columns: 1, title: null, symbolType: "stroke", symbolOpacity: 1, symbolStrokeWidth: 3}};
    const panel = (what) => ({
      width: room(), height: 190, transform: [{filter: `datum.what === '${what}'`}],
      layer: [
        {mark: {type: "area", opacity: 0.13}, encoding: {x, y: y("low", what), y2: {field: "high"}, color: colour}},
        {mark: {type: "line", point: true}, encoding: {x, y: y("y", what), color: colour,
          strokeDash: {field: "direction", type: "nominal", legend: null},
          tooltip: [{field: "direction"}, {field: "x", title: axis, format: ".3g"}, {field: "y", title: what, format: ".1f"}, {field: "n", title: "questions"}]}},
        {transform: [{filter: "datum.best"}], mark: {type: "point", size: 170, strokeWidth: 2}, encoding: {x, y: y("y", what), color: colour}},
        ...(what === "trait" && published.length ? [{data: {values: published}, mark: {type: "point", shape: "diamond", size: 90, color: "magenta"},
          encoding: {x, y: y("y", what), tooltip: [{field: "title", title: "published"}, {field: "x", title: axis}, {field: "y", title: what}]}}] : []),
        ...(what === "coherence" ? [{data: {values: [{gate}]}, mark: {type: "rule", strokeDash: [4, 3]}, encoding: {y: y("gate", what)}}] : []),
        {data: {values: unsteered.filter((one) => one.what === what)}, mark: {type: "rule", opacity: 0.4}, encoding: {y: y("y", what)}},
      ],
    });
    return draw("curve-chart", {data: {values}, vconcat: [panel("trait"), panel("coherence")]},
      `Trait and coherence against ${axis}`);
  };
  group.addEventListener("change", choose);
  picked.addEventListener("change", plot);
  for (const radio of document.querySelectorAll("input[name=axis]")) radio.addEventListener("change", plot);
  choose();
}

const AT_ONCE = 25;

function reader({groups, texts}) {
  const [group, direction, dose, sort, search, rows, more] =
    ["group", "direction", "dose", "sort", "search", "rows", "more"].map((name) => byId(`read-${name}`));
  let names = [], runs = [], limit = AT_ONCE;
  fill(group, groups.map((one) => `${one.model}, ${one.trait}`));
  const own = () => groups[group.value].runs;
  const chooseGroup = () => {
    names = named(own());
    fill(direction, names.map(harmless));
    chooseDirection();
  };
  const chooseDirection = () => {
    runs = own().filter((run) => run.block !== null && titleOf(run) === names[direction.value]);
    dose.max = Math.max(0, runs.length - 1);
    dose.value = Math.max(0, runs.findIndex((run) => run.best));
    show();
  };
  const answer = (said) => {
    const cell = element("td");
    if (!said) return cell;
    const [, text, finished, trait, coherence] = said;
    cell.append(element("span", `trait ${shown(trait)}, coherence ${shown(coherence)}`
      + (trait === null || coherence === null ? ": the judge gave no score" : ""), "score"));
    cell.append(harmless(texts[text]) || "(nothing)", finished ? "" : " …");
    return cell;
  };
  const show = () => {
    const run = runs[dose.value], before = own().find((one) => one.block === null);
    rows.replaceChildren();
    more.hidden = true;
    if (!run) return;
    const unsteered = new Map((before ? before.said : []).map((said) => [said[0], said]));
    const asked = new Map(groups[group.value].questions);
    const words = search.value.toLowerCase();
    const found = run.said.filter((said) => !words
      || `${said[0]}. ${texts[asked.get(said[0])]} ${texts[said[1]]}`.toLowerCase().includes(words));
    const rank = {number: (said) => said[0], trait: (said) => -(said[3] ?? -1), coherence: (said) => said[4] ?? -1}[sort.value];
    found.sort((one, other) => rank(one) - rank(other));
    byId("read-dose-shown").textContent = `${run.dose.toFixed(3)}${run.best ? ", the best" : ""}`;
    dose.setAttribute("aria-valuetext", `dose ${run.dose.toFixed(3)}`);
    byId("read-summary").textContent = `${harmless(titleOf(run))}, coefficient ${run.coefficient}: trait ${run.trait[0]}, `
      + `coherence ${run.coherence[0]} on ${run.questions} questions`
      + (before ? `; unsteered: trait ${before.trait[0]}, coherence ${before.coherence[0]}` : "");
    rows.replaceChildren(...found.slice(0, limit).map((said) => {
      const line = element("tr");
      line.append(element("td", `${said[0]}. ${harmless(texts[asked.get(said[0])])}`), answer(unsteered.get(said[0])), answer(said));
      return line;
    }));
    more.hidden = found.length <= limit;
  };
  group.addEventListener("change", chooseGroup);
  direction.addEventListener("change", chooseDirection);
  for (const input of [dose, sort, search]) input.addEventListener("input", () => { limit = AT_ONCE; show(); });
  more.addEventListener("click", () => { limit += 4 * AT_ONCE; show(); });
  // In the whole section the arrows step through the doses, but not where they move a cursor or choose an option.
  byId("read").addEventListener("keydown", (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || ["INPUT", "SELECT"].includes(event.target.tagName)) return;
    dose.value = Number(dose.value) + step;
    show();
    event.preventDefault();
  });
  chooseGroup();
}

function gold(entries) {
  const group = byId("gold-group"), rows = byId("gold-rows");
  byId("gold").hidden = !entries.length;
  fill(group, entries.map((one) => `${one.judge} on ${one.model}: ${one.what}`));
  const show = () => {
    const one = entries[group.value];
    if (!one) return undefined;
    const scored = one.rows.filter((row) => row[1] !== null);
    const off = (row) => row[1] === null ? Infinity : Math.abs(row[0] - row[1]);
    rows.replaceChildren(...[...one.rows].sort((a, b) => off(b) - off(a)).slice(0, 200).map(([wanted, given, question, response]) => {
      const line = element("tr");
      line.append(element("td", harmless(question)), element("td", harmless(response)), element("td", shown(wanted)), element("td", shown(given)));
      return line;
    }));
    const values = scored.map(([wanted, given]) => ({gold: wanted, given}));
    const encoding = {x: {field: "gold", type: "quantitative", scale: {domain: [0, 100]}}, y: {field: "given", type: "quantitative", scale: {domain: [0, 100]}}};
    return draw("gold-chart", {width: Math.min(320, room()), height: 260, layer: [
      {data: {values}, mark: {type: "point", opacity: 0.5}, encoding},
      {data: {values: [{gold: 0, given: 0}, {gold: 100, given: 100}]}, mark: {type: "line", strokeDash: [4, 3], color: "gray"}, encoding},
    ]}, `Calibration: given score against gold score, ${one.what}`);
  };
  group.addEventListener("change", show);
  show();
}

function geometry(entries) {
  const model = byId("geometry-model"), place = byId("geometry-place");
  fill(model, entries.map((one) => one.model));
  const chooseModel = () => {
    fill(place, entries[model.value].cosines.map((one) => `${one.trait}, block ${one.block}`));
    const one = entries[model.value];
    if (one.magnitudes.length) {
      const cells = one.magnitudes.map(([block, dim, times]) => ({block, dim, times}));
      draw("magnitude-chart", {data: {values: cells}, width: room(), height: 18 * new Set(cells.map((cell) => cell.dim)).size, mark: "rect",
        encoding: {x: {field: "block", type: "ordinal"}, y: {field: "dim", type: "ordinal"},
          color: {field: "times", type: "quantitative", scale: {type: "symlog", scheme: "viridis"}, title: "times the median"},
          tooltip: [{field: "block"}, {field: "dim"}, {field: "times"}]}}, "Mean size of massive dims by block");
      draw("severity-chart", {data: {values: one.severity.map((severity, block) => ({severity, block}))}, width: room(), height: 160,
        mark: {type: "line", point: true}, encoding: {x: {field: "block", type: "ordinal"}, y: {field: "severity", type: "quantitative"}}}, "Severity by block");
    } else {
      for (const id of ["magnitude-chart", "severity-chart"]) byId(id).replaceChildren("The store does not hold this model's massive activations.");
    }
    choosePlace();
  };
  const choosePlace = () => {
    const one = entries[model.value].cosines[place.value];
    if (!one) return;
    const values = one.titles.flatMap((row, i) => one.titles.map((column, j) => ({row: harmless(row), column: harmless(column), cosine: one.values[i][j]})));
    const [size, names] = [Math.min(22, (room() - 160) / one.titles.length), {sort: null, title: null, axis: {labelLimit: 300}}];
    draw("cosine-chart", {data: {values}, width: {step: Math.max(10, size)}, height: {step: Math.max(10, size)}, mark: "rect", encoding: {
      x: {field: "column", type: "nominal", ...names}, y: {field: "row", type: "nominal", ...names},
      color: {field: "cosine", type: "quantitative", scale: {domain: [-1, 0, 1], range: ["#b54708", "#f7f7f7", "#0b6bcb"]}},
      tooltip: [{field: "row"}, {field: "column"}, {field: "cosine"}]}}, "Cosines of directions");
    const shares = entries[model.value].shares.filter((share) => share.trait === one.trait && share.block === one.block);
    draw("share-chart", {data: {values: shares}, width: Math.min(420, room()), height: 180, mark: {type: "line", point: true}, encoding: {
      x: {field: "window", type: "ordinal", title: "response tokens"}, y: {field: "inside", type: "quantitative", scale: {domain: [0, 1]}, title: "share of norm in massive dims"},
      color: {field: "method", type: "nominal"}, strokeDash: {field: "elicitation", type: "nominal"},
      tooltip: [{field: "method"}, {field: "window"}, {field: "inside"}]}}, "Share in massive dims by window");
  };
  model.addEventListener("change", chooseModel);
  place.addEventListener("change", choosePlace);
  chooseModel();
}

// A part is made when it is first near the screen, so that the page opens at once.
function onSight(id, make) {
  const watcher = new IntersectionObserver((seen) => {
    if (seen.some((one) => one.isIntersecting)) {
      watcher.disconnect();
      make();
    }
  }, {rootMargin: "600px"});
  watcher.observe(byId(id));
}

async function start() {
  byId("filters").hidden = false;
  filtering();
  if (!byId("data")) return;
  const data = await unpacked();
  const parts = {curves: [data.runs.groups.length, () => curves(data.runs)],
    read: [data.runs.groups.length, () => { reader(data.runs); gold(data.gold); }],
    geometry: [data.geometry.length, () => geometry(data.geometry)]};
  for (const [id, [there, make]] of Object.entries(parts)) {
    byId(id).hidden = !there;
    if (there) onSight(id, make);
  }
  document.documentElement.dataset.ready = "yes";
}
start();
