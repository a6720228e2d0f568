// SPDX-License-Identifier: Apache-2.0
// Starts everything: first what is seen at once, then the table, when all of the page is there.
// Text of a trace only ever becomes text of an element, never markup.

function make(name, look, text) {
  const element = document.createElement(name);
  if (look) element.className = look;
  if (text !== undefined) element.textContent = text;
  return element;
}

function openFinding(number) {
  const finding = document.getElementById(`finding-${number}`);
  if (!finding) return;
  finding.open = true;
  finding.scrollIntoView({ block: "start" });
  finding.querySelector("summary").focus({ preventScroll: true });
}

// Links to findings open them.
function openTarget() {
  const found = /^#finding-(\d+)$/.exec(location.hash);
  if (found) openFinding(Number(found[1]));
}

function startFindings() {
  addEventListener("hashchange", openTarget);
  openTarget();
  const all = [...document.querySelectorAll(".finding")];
  const button = document.getElementById("open-all");
  button.hidden = all.length < 2;
  button.addEventListener("click", () => {
    const open = all.some((each) => !each.open);
    for (const each of all) each.open = open;
    button.textContent = open ? "close all" : "open all";
  });
  // On paper everything is told.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = all.filter((each) => !each.open);
    for (const each of closed) each.open = true;
  });
  addEventListener("afterprint", () => {
    for (const each of closed) each.open = false;
  });
}

function startVerdicts() {
  const buttons = [...document.querySelectorAll("#verdict-filter button")];
  const rows = [...document.querySelectorAll("#verdict-table tbody tr")];
  const none = document.querySelector("#verdict-table + .empty");
  const apply = () => {
    const wanted = buttons.filter((each) => each.getAttribute("aria-pressed") === "true");
    const names = wanted.map((each) => each.dataset.verdict);
    for (const row of rows) row.hidden = !names.some((name) => row.dataset.verdicts.split(" ").includes(name));
    none.hidden = rows.some((row) => !row.hidden);
  };
  for (const button of buttons)
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      apply();
    });
  apply();
}

function rolesOf(facts) {
  const roles = new Map();
  for (const [seq, role, number, look] of facts.roles) {
    if (!roles.has(seq)) roles.set(seq, []);
    roles.get(seq).push({ role, number, look });
  }
  return roles;
}

function flags(kinds) {
  const table = new Uint8Array(256);
  for (const kind of kinds) table[kind] = 1;
  return table;
}

async function loaded() {
  const facts = json("data-table");
  const words = Object.fromEntries(
    ["site", "place", "detail", "note"].map((name) => [name, json(`words-${name}`)]),
  );
  return {
    facts,
    words,
    columns: await columns(facts),
    roles: rolesOf(facts),
    addressed: flags(facts.addressed),
    valued: flags(facts.accesses),
    sized: flags(facts.sized),
  };
}

function rowOfSeq(data, seq) {
  const all = data.columns.seq.low;
  // Numbers are consecutive where nothing was lost: the first guess is mostly right.
  const guess = seq - all[0];
  return all[guess] === seq ? guess : all.indexOf(seq);
}

function listenForJumps(data, table, filter) {
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-seq]");
    if (!link) return;
    event.preventDefault();
    const row = rowOfSeq(data, Number(link.dataset.seq));
    if (row < 0) return;
    if (table.find(row) < 0) filter.clear();
    table.selected = table.find(row);
    table.scrollTo(table.selected - table.page / 2);
    table.tell();
    document.getElementById("transactions").scrollIntoView({ block: "start" });
    table.root.focus({ preventScroll: true });
  });
}

async function startTable(timeline) {
  const data = await loaded();
  const table = new Table(data, openFinding);
  const filter = new Filter(data, (rows) => table.show(rows));
  listenForJumps(data, table, filter);
  timeline.useRows(data.columns.time.low, data.columns.kind.low);
  document.getElementById("zoom-table").addEventListener("click", () => {
    filter.setTime([timeline.from, timeline.to]);
    document.getElementById("transactions").scrollIntoView({ block: "start" });
  });
  document.documentElement.dataset.ready = "table";
}

startTheme();
startFindings();
startVerdicts();

// What stands behind this script in the page is there when the whole page is.
document.addEventListener("DOMContentLoaded", () => {
  const timeline = new Timeline(json("data-timeline"), openFinding);
  // Let the browser paint all else first.
  requestAnimationFrame(() => setTimeout(() => startTable(timeline)));
});
