// Asks for the page's data again and again, and leads the reader's pictures to pictures.js.

import { offerModels, showFound, tryPicture } from "./pictures.js";
import { fill, requestRows, stageRows, versionRows } from "./tables.js";

const REFRESH_MS = 2000;

const byId = (id) => document.getElementById(id);

let lastAnswer = null; // the time of day
let paused = false;

function setText(element, text, kind = "") {
  element.className = kind;
  // A screen reader reads what is written here, so only what changed is.
  if (element.textContent !== text) element.textContent = text;
}

async function read() {
  const answer = await fetch("/status/models", { headers: { accept: "application/json" } });
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function show({ server, models, unknown }) {
  const ready = server.ready ? "Ready" : "Not ready";
  setText(byId("server"), `${ready}; version ${server.version}; device ${server.device}`, server.ready ? "good" : "failed");
  fill(byId("versions"), models.flatMap(versionRows));
  fill(byId("requests"), requestRows(models, unknown));
  fill(byId("stages"), models.flatMap(stageRows));
  offerModels(models, server.max_body_bytes);
  lastAnswer = new Date().toLocaleTimeString();
}

async function refresh() {
  try {
    if (!paused && !document.hidden) show(await read());
  } catch (error) {
    const older = lastAnswer ? `; what is shown is of ${lastAnswer}` : "";
    setText(byId("server"), `No answer from the server (${error.message})${older}`, "failed");
  } finally {
    setTimeout(refresh, REFRESH_MS);
  }
}

function takeDrops() {
  const inside = (event, over) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", over);
  };
  document.addEventListener("dragover", (event) => inside(event, true));
  document.addEventListener("dragleave", (event) => inside(event, false));
  document.addEventListener("drop", (event) => {
    inside(event, false);
    tryPicture((picture = event.dataTransfer.files[0]));
  });
}

let picture = null; // the last one chosen or dropped

function start() {
  const input = byId("picture");
  input.addEventListener("click", () => (input.value = "")); // so that the same file may be chosen again
  input.addEventListener("change", () => input.files[0] && tryPicture((picture = input.files[0])));
  byId("model").addEventListener("change", () => picture && tryPicture(picture));
  byId("least").addEventListener("input", showFound);
  addEventListener("resize", showFound);
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    byId("pause").setAttribute("aria-pressed", String(paused));
  });
  takeDrops();
  refresh();
}

start();
