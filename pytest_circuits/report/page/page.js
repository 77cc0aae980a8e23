"use strict";
// Draws a plot when somebody comes to see it, filters the findings, and copies commands.

const root = document.documentElement;
const every = (selector, within = document) => [...within.querySelectorAll(selector)];
const stored = (id) => JSON.parse(document.getElementById(id).textContent);

// ---- Colours: figures are made for a light page; on a dark one each colour has its counterpart.

// A map: what is no colour may be called as something that every object has.
const counterpart = new Map(Object.entries(stored("dark")));
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 44rem)");
let printing = false;

const isDark = () =>
  !printing && (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

// Only where colours stand: a model may be called as one.
const ofColours = /color(scale)?$/;

function inTheme(value, name = "") {
  if (typeof value === "string") {
    return ofColours.test(name) ? (counterpart.get(value) ?? value) : value;
  }
  if (Array.isArray(value)) return value.map((each) => inTheme(each, name));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inTheme(each, key)]));
}

// ---- Plots.

// Only these buttons: among plotly's own is one that uploads the chart.
const config = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "resetScale2d"]],
};
const sources = new Map();

function source(id) {
  if (!sources.has(id)) sources.set(id, stored(id));
  return sources.get(id);
}

function draw(plot) {
  const { figures, shared } = source(plot.dataset.source);
  const figure = figures[Number(plot.dataset.figure)];
  const traces = figure.data.map(({ customdata, z, ...trace }) => ({
    ...(isDark() ? inTheme(trace) : trace),
    ...(z && { z }),
    ...(customdata !== undefined && { customdata: shared[customdata] }),
  }));
  const layout = narrow.matches && figure.narrow ? figure.narrow : figure.layout;
  // Plotly writes into what it is given. On a narrow page a finger scrolls, and doesn't zoom.
  const own = structuredClone(isDark() ? inTheme(layout) : layout);
  own.dragmode = narrow.matches ? false : "zoom";
  // Plotly keeps to the height of its element; one of its own it loses when the page is resized.
  const canvas = plot.querySelector(".canvas");
  canvas.style.height = `${own.height}px`;
  delete own.height;
  plot.dataset.drawn = "yes";
  Plotly.react(canvas, traces, own, config);
}

// Those in a closed finding are never in view.
const seen = new IntersectionObserver(
  (entries) =>
    entries
      .filter((entry) => entry.isIntersecting && !entry.target.dataset.drawn)
      .forEach((entry) => draw(entry.target)),
  { rootMargin: "400px" },
);
every(".plot").forEach((plot) => seen.observe(plot));
const redraw = () => every(".plot[data-drawn]").forEach(draw);
narrow.addEventListener("change", redraw);

// ---- Light and dark.

const theme = document.getElementById("theme");

function nameTheme() {
  theme.textContent = isDark() ? "☀ Light" : "☾ Dark";
  theme.setAttribute("aria-label", isDark() ? "Light colours" : "Dark colours");
}

theme.hidden = false;
theme.addEventListener("click", () => {
  root.dataset.theme = isDark() ? "light" : "dark";
  nameTheme();
  redraw();
});
prefersDark.addEventListener("change", () => {
  nameTheme();
  redraw();
});
nameTheme();
for (const [moment, value] of [["beforeprint", true], ["afterprint", false]]) {
  addEventListener(moment, () => {
    printing = value;
    redraw();
  });
}

// ---- Filters; they stand in the address, so that a view can be passed on.

const form = document.getElementById("filters");
const findings = every(".finding");

function wanted() {
  const data = new FormData(form);
  return {
    verdicts: data.getAll("verdict"),
    model: data.get("model") ?? "",
    test: (data.get("test") ?? "").trim().toLowerCase(),
  };
}

function filter() {
  const { verdicts, model, test } = wanted();
  for (const finding of findings) {
    const matches =
      (!verdicts.length || verdicts.includes(finding.dataset.verdict)) &&
      (!model || finding.dataset.model === model) &&
      finding.dataset.test.toLowerCase().includes(test);
    finding.hidden = !matches;
  }
  tell();
}

/** How many findings are shown, whether the filters or a link did it. */
function tell() {
  if (!form) return;
  const shown = findings.filter((finding) => !finding.hidden).length;
  document.getElementById("shown").textContent = `${shown} of ${findings.length} shown`;
  document.getElementById("nothing").hidden = shown > 0;
}

function remember() {
  const chosen = [...new FormData(form)].filter(([, value]) => value);
  history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
}

function recall() {
  const chosen = new URLSearchParams(location.hash.slice(1));
  for (const field of form.elements) {
    if (field.type === "checkbox") field.checked = chosen.getAll(field.name).includes(field.value);
    else if (field.name && chosen.has(field.name)) field.value = chosen.get(field.name);
  }
}

/** Open the finding that the address names, whatever the filters. */
function visit() {
  const finding = findings.find((each) => `#${each.id}` === location.hash);
  if (!finding) return;
  finding.hidden = false;
  tell();
  finding.open = true;
  finding.scrollIntoView();
  finding.querySelector("summary").focus({ preventScroll: true });
}

if (form) {
  form.hidden = false;
  recall();
  filter();
  form.addEventListener("input", () => {
    filter();
    remember();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  // The fields are empty only after the event.
  form.addEventListener("reset", () => setTimeout(() => {
    filter();
    remember();
  }));
  const unfold = document.getElementById("unfold");
  unfold.addEventListener("click", () => {
    const open = unfold.textContent === "Open all";
    findings.forEach((finding) => (finding.open = open));
    unfold.textContent = open ? "Close all" : "Open all";
  });
}
addEventListener("hashchange", visit);
visit();

// ---- Tables of every value, made when they are asked for.

const plain = (text) =>
  text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function rows(cells, columns, withRole) {
  return cells.map(([name, value, error, before, difference, tolerance, excess, role, beyond]) => {
    const row = document.createElement("tr");
    if (beyond) row.className = "beyond";
    const head = row.appendChild(document.createElement("th"));
    head.scope = "row";
    head.textContent = plain(name);
    const texts = {
      measured: [value, error],
      baseline: [before, value, error],
      difference: [before, value, error, `${beyond} ${difference}`, tolerance, excess],
    };
    texts[columns].forEach((text) => (row.insertCell().textContent = text));
    if (withRole) {
      const word = row.insertCell();
      word.className = "word";
      word.textContent = role === "not in the role" ? "" : role;
    }
    return row;
  });
}

for (const button of every(".every")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const { shared, table: whole } = source(button.dataset.source);
    const every = Array.isArray(shared[whole][0][0]) ? shared[whole].flat() : shared[whole];
    // Of a cell that the model does not have there are its name and why, and no numbers.
    const cells = every.filter((cell) => cell.length > 2);
    const table = button.closest(".body").querySelector(".cells");
    const { columns, role } = button.dataset;
    table.tBodies[0].replaceChildren(...rows(cells, columns, role === "yes"));
    // Who asked by keyboard goes on reading from the table.
    if (document.activeElement === button) table.closest(".wide").focus();
    button.remove();
  });
}

// ---- Commands.

for (const button of every(".copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.closest(".command").querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {
      // Not every page may: then it is at least selected.
      getSelection().selectAllChildren(code);
      button.textContent = "Selected";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
}
