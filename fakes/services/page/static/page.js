// The page of the fake: reads /fakes/overview and /fakes/requests every two seconds and draws them. Everything that comes
// from outside is put in as text, never as markup.

const TABLES = {
  services: ["name", "type", "state", "models", "versions", "authentication", "address", "error"],
  models: ["id", "created", "tags", "run"],
  environments: ["name", "version", "created", "labels"],
  images: ["location", "kind", "models", "created"],
  compute: ["name", "type", "state", "size", "nodes", "attached"],
  experiments: ["name", "created", "tags"],
  runs: ["id", "experiment", "status", "type", "started", "ended"],
};
const TABS = [...Object.keys(TABLES), "requests", "faults"];
const MONO = new Set(["address", "location", "url"]);
const SHORT = new Set(["name", "id", "number", "type", "state", "status", "kind", "time", "method", "operation", "created", "started", "ended"]);
// Columns that only some rows of some fakes fill are left out while nothing fills them.
const OPTIONAL = new Set(["versions", "error", "labels", "tags", "run"]);
const EMPTY = {
  services: "No service is deployed. Model.deploy makes one, and it appears here.",
  models: "No model is registered yet.",
  requests: "No request has arrived yet. `python -m fakes env` prints what a program needs to send some.",
  faults: "No fault rule: everything answers as it should.",
};
const state = { tab: location.hash.slice(1) || "services", open: new Set(), overview: null, requests: [], drawn: "" };
const $ = (id) => document.getElementById(id);

function make(tag, text, attributes = {}) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

async function call(method, path, body) {
  const options = { method, headers: {} };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const text = await answer.text();
  const document_ = text ? JSON.parse(text) : null;
  if (!answer.ok) throw new Error(document_?.error?.message ?? `${answer.status} ${answer.statusText}`);
  return document_;
}

function shown(value) {
  if (value === null || value === undefined || value === "") return "";
  if (typeof value === "object") return Object.entries(value).map(([k, v]) => `${k}=${v}`).join(", ");
  if (typeof value === "boolean") return value ? "yes" : "no";
  const text = String(value);
  return /^\d{4}-\d\d-\d\dT/.test(text) ? text.slice(0, 19).replace("T", " ") : text;
}

function tone(value) {
  if (["Healthy", "Succeeded", "Completed", "Finished"].includes(value)) return "good";
  if (["Failed", "Unhealthy", "Canceled"].includes(value)) return "bad";
  if (["Transitioning", "Creating", "Updating", "Deleting", "Running", "Queued"].includes(value)) return "busy";
  return "";
}

function workspace() {
  const all = state.overview?.workspaces ?? [];
  return all.find((w) => w.name === $("workspace").value) ?? all[0];
}

// The part of an address that tells requests apart: the workspace is the same in all of them, a signature says nothing.
function shorter(url) {
  return url.replace(/\/subscriptions\/.*?\/workspaces\/[^/?]+/i, "/\u2026").replace(/([?&]sv=|[?&]timeout=).*/, "?\u2026");
}

function table(all, rows, key, detail) {
  const columns = all.filter((column) => !OPTIONAL.has(column) || rows.some((row) => shown(row[column])));
  const box = make("div", null, { class: "scroll" });
  const grid = make("table");
  const head = grid.createTHead().insertRow();
  for (const column of columns) head.append(make("th", column, { scope: "col" }));
  const body = grid.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    for (const column of columns) {
      const cell = make("td", column === "url" ? shorter(row.url) : column === "time" ? shown(row.time).slice(11) : shown(row[column]));
      if (MONO.has(column)) cell.className = "mono";
      if (SHORT.has(column)) cell.className = "short";
      if (column === "state" || column === "status") cell.classList.add(tone(row[column]) || (row[column] >= 400 ? "bad" : "plain"));
      if (["milliseconds", "number", "nodes", "hits", "times"].includes(column)) cell.className = "number";
      line.append(cell);
    }
    if (!detail) continue;
    const id = key(row);
    const toggle = () => { state.open.has(id) ? state.open.delete(id) : state.open.add(id); draw(true); };
    line.className = "link";
    line.tabIndex = 0;
    line.setAttribute("aria-expanded", state.open.has(id));
    line.addEventListener("click", toggle);
    line.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(); }
    });
    if (state.open.has(id)) {
      const cell = body.insertRow().insertCell();
      cell.colSpan = columns.length;
      cell.append(detail(row));
    }
  }
  box.append(grid);
  return box;
}

function tryForm(row) {
  const form = $("try-form").content.cloneNode(true).firstElementChild;
  const line = form.querySelector(".answer-line");
  const box = form.querySelector(".answer");
  const show = (text) => { box.hidden = false; box.textContent = text; };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    line.className = "answer-line busy";
    line.textContent = "waiting";
    try {
      const answer = await call("POST", "/fakes/try", { service: row.name, body: form.elements.body.value, workspace: workspace().name });
      line.className = `answer-line ${answer.status < 400 ? "good" : "bad"}`;
      line.textContent = `${answer.status} in ${answer.milliseconds} ms`;
      show(answer.body);
    } catch (error) {
      line.className = "answer-line bad";
      line.textContent = error.message;
    }
  });
  form.querySelector("[data-log]").addEventListener("click", async () => {
    const name = encodeURIComponent(row.name);
    const answer = await call("GET", `/fakes/services/${name}/log?workspace=${encodeURIComponent(workspace().name)}`);
    show(answer.content || "The container has written nothing.");
  });
  return form;
}

function bodies(row) {
  const box = make("div", null, { class: "pair" });
  const where = make("div");
  where.append(make("strong", "Address"), make("pre", row.url));
  box.append(where);
  for (const [title, text] of [["Request", row.request_body], ["Answer", row.response_body]]) {
    const part = make("div");
    part.append(make("strong", title), make("pre", pretty(text) || "(empty)"));
    box.append(part);
  }
  return box;
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}

function faults(panel) {
  const form = $("faults-form").content.cloneNode(true).firstElementChild;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const e = form.elements;
    await act(call("POST", "/fakes/faults", {
      operation: e.operation.value, kind: e.kind.value, status: Number(e.status.value),
      seconds: Number(e.seconds.value), times: Number(e.times.value),
    }));
  });
  form.querySelector("[data-clear]").addEventListener("click", () => act(call("DELETE", "/fakes/faults")));
  panel.append(form);
}

async function act(promise) {
  try { await promise; } catch (error) { alert(error.message); }
  await refresh();
}

function draw(force = false) {
  if (!state.overview) return;
  const names = state.overview.workspaces.map((w) => w.name);
  const select = $("workspace");
  if ([...select.options].map((o) => o.value).join() !== names.join()) {
    const chosen = select.value;
    select.replaceChildren(...names.map((name) => make("option", name)));
    if (names.includes(chosen)) select.value = chosen;
  }
  const tables = workspace()?.tables ?? {};
  const counts = { ...Object.fromEntries(Object.entries(tables).map(([k, v]) => [k, v.total])),
    requests: state.requests.length, faults: state.overview.faults.length };
  for (const tab of TABS) {
    const button = $(`tab-${tab}`);
    button.setAttribute("aria-selected", tab === state.tab);
    button.querySelector(".count").textContent = counts[tab] ?? 0;
  }
  const rows = state.tab === "requests" ? [...state.requests].reverse()
    : state.tab === "faults" ? state.overview.faults : tables[state.tab]?.rows ?? [];
  const seen = JSON.stringify([state.tab, rows, select.value]);
  // What somebody is typing or reading stays as it is until the data changes.
  if (!force && seen === state.drawn) return;
  if (!force && $("panel").contains(document.activeElement) && document.activeElement.matches("textarea, input")) return;
  state.drawn = seen;
  const panel = $("panel");
  panel.replaceChildren();
  panel.setAttribute("aria-labelledby", `tab-${state.tab}`);
  if (state.tab === "faults") faults(panel);
  if (!rows.length) { panel.append(make("p", EMPTY[state.tab] ?? "Nothing here yet.", { class: "empty" })); return; }
  if (state.tab === "services") panel.append(table(TABLES.services, rows, (r) => `service ${r.name}`, tryForm));
  else if (state.tab === "requests") {
    panel.append(table(["number", "time", "method", "url", "operation", "status", "milliseconds"], rows, (r) => `request ${r.number}`, bodies));
  } else if (state.tab === "faults") panel.append(table(["operation", "kind", "status", "times", "hits"], rows));
  else panel.append(table(TABLES[state.tab], rows));
}

async function refresh() {
  try {
    [state.overview, { requests: state.requests }] = await Promise.all([
      call("GET", "/fakes/overview"), call("GET", "/fakes/requests?last=100"),
    ]);
    $("status").className = state.overview.bugs ? "down" : "";
    $("status").textContent = `${shown(state.overview.time)} UTC, seed ${state.overview.seed}`
      + (state.overview.bugs ? `, ${state.overview.bugs} failures inside the fake (see its log)` : "");
    draw();
  } catch (error) {
    $("status").className = "down";
    $("status").textContent = `the fake does not answer: ${error.message}`;
  }
}

for (const tab of TABS) {
  const button = make("button", tab, { id: `tab-${tab}`, role: "tab", type: "button", "aria-controls": "panel" });
  button.append(make("span", "0", { class: "count" }));
  button.addEventListener("click", () => { state.tab = tab; history.replaceState(null, "", `#${tab}`); draw(true); });
  $("tabs").append(button);
}
$("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const next = TABS[(TABS.indexOf(state.tab) + step + TABS.length) % TABS.length];
  $(`tab-${next}`).focus();
  $(`tab-${next}`).click();
});
if (!TABS.includes(state.tab)) state.tab = "services";
$("workspace").addEventListener("change", () => draw(true));
$("reset").addEventListener("click", () => {
  if (confirm("Forget every model, service, run and file of this fake?")) { state.open.clear(); act(call("POST", "/fakes/reset", {})); }
});
await refresh();
setInterval(refresh, 2000);
