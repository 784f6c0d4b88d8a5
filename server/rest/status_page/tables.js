// The tables. What a server, a label or an error says is only ever written as text, never taken for markup.

import { chart } from "./chart.js";
import { bytes, count, duration, quantile, rate } from "./text.js";

const FOLDED_CHARACTERS = 240;

export function make(name, content = "", attributes = {}) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...[content].flat());
  return element;
}

// Roles are said aloud, since a phone's style sheet lays tables out as cards.
const cell = (label, content, kind = "") => make("td", content, { role: "cell", class: kind, "data-label": label });
const number = (label, content) => cell(label, content, "number");
const head = (content) => make("th", content, { role: "rowheader", scope: "row" });

export function row(cells, kind = "") {
  return make("tr", cells, { role: "row", class: kind });
}

// A long text shows its beginning, and all of itself when asked to.
function folded(text) {
  if (text.length <= FOLDED_CHARACTERS) return make("div", text, { class: "failed" });
  const summary = make("summary", `${text.slice(0, FOLDED_CHARACTERS)}…`);
  return make("details", [summary, make("p", text)], { class: "failed" });
}

// Writes only the cells that changed: what a reader selected, opened or listens to stays as it is.
export function fill(body, rows) {
  for (const [index, fresh] of rows.entries()) {
    const old = body.rows[index];
    if (!old) body.append(fresh);
    else if (old.className !== fresh.className || old.cells.length !== fresh.cells.length) old.replaceWith(fresh);
    else [...fresh.cells].forEach((each, column) => refill(old.cells[column], each));
  }
  while (body.rows.length > rows.length) body.lastElementChild.remove();
}

function refill(old, fresh) {
  const opened = old.querySelector("details")?.open ?? false;
  for (const details of fresh.querySelectorAll("details")) details.open = opened;
  if (!old.isEqualNode(fresh)) old.replaceWith(fresh);
}

function problem(version) {
  const health = version.serving?.health;
  if (version.error) return version.error;
  if (!health || health.state === "up") return null;
  return (
    `The device is ${health.state}: ${health.last_error}. ` +
    `The CPU answers in its place, ${count(health.fallback_images)} pictures so far.`
  );
}

export function versionRows(model) {
  return model.versions.flatMap((version) => {
    const why = problem(version);
    const state = version.state === "AVAILABLE" ? "good" : version.error ? "failed" : "";
    const cells = [
      head(model.name),
      number("Version", String(version.version)),
      cell("State", version.error ? `${version.state}, did not load` : version.state, state),
      cell("Labels", version.labels.join(", ")),
      cell("Runs on", version.serving?.description ?? ""),
      number("Memory", version.serving ? bytes(version.serving.memory_bytes) : ""),
    ];
    if (why === null) return [row(cells)];
    const reason = make("td", folded(why), { role: "cell", colspan: String(cells.length) });
    return [row(cells, "explained"), row([reason], "why")];
  });
}

function requestRow(name, traffic, images, waiting) {
  const errors = Object.entries(traffic?.errors ?? {});
  const failed = errors.reduce((sum, [, times]) => sum + times, 0);
  const statuses = errors.map(([status, times]) => make("small", `${status} ${count(times)}`, { class: "failed" }));
  const latency = traffic?.latency;
  return row([
    head(name),
    number("Total", count(traffic?.requests ?? 0)),
    number("Per second", rate(traffic?.per_second ?? 0)),
    number("Errors", make("span", [count(failed), ...statuses])),
    number("p50", latency ? quantile(latency.p50) : ""),
    number("p99", latency ? quantile(latency.p99) : ""),
    number("Images answered", images),
    number("Images waiting", waiting),
  ]);
}

export function requestRows(models, unknown) {
  const rows = models.map((model) =>
    requestRow(model.name, model.traffic, count(model.images_answered), count(model.waiting_images)),
  );
  return unknown ? [...rows, requestRow("(a model that is not served)", unknown, "", "")] : rows;
}

export function stageRows(model) {
  if (model.stages.length === 0) return [];
  const group = make("th", model.name, { role: "rowheader", scope: "rowgroup", colspan: "6" });
  const rows = model.stages.map((stage) => {
    const half = quantile(stage.p50);
    const most = quantile(stage.p99);
    const said = `${model.name}, ${stage.stage}: half within ${half}, 99 percent within ${most}`;
    return row([
      head(stage.stage),
      number("Requests", count(stage.requests)),
      number("Mean", duration(stage.mean_seconds)),
      number("p50", half),
      number("p99", most),
      make("td", chart(stage.limits_seconds, stage.counts, said), { role: "cell", class: "chart-cell" }),
    ]);
  });
  return [row([group], "group"), ...rows];
}
