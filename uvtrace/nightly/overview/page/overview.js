// SPDX-License-Identifier: Apache-2.0
// What is folded opens when it is asked for; cells are shown by what they are.

function openTarget() {
  const found = /^#(cell|news)-\d+$/.test(location.hash) && document.querySelector(location.hash);
  if (!found) return;
  for (let each = found; each; each = each.parentElement) if (each.tagName === "DETAILS") each.open = true;
  found.scrollIntoView({ block: "start" });
  (found.querySelector("summary") ?? found).focus({ preventScroll: true });
}

// The same link twice changes no address.
function startLinks() {
  addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.hash === location.hash) openTarget();
  });
  openTarget();
}

function startOpenAll() {
  for (const button of document.querySelectorAll(".open-all")) {
    const all = [...button.closest("section").querySelectorAll("details:not(.lines)")];
    button.hidden = all.length < 2;
    button.addEventListener("click", () => {
      const open = all.some((each) => !each.open);
      for (const each of all) each.open = open;
      button.textContent = open ? "close all" : "open all";
    });
  }
}

function startFolds() {
  for (const button of document.querySelectorAll(".fold")) {
    const rows = button.closest("tbody").nextElementSibling;
    const set = (open) => {
      rows.hidden = !open;
      button.setAttribute("aria-expanded", String(open));
    };
    set(false);
    button.addEventListener("click", () => set(rows.hidden));
  }
}

// A row is shown if one of its cells is; folded rows are all of one look.
function startMatrix() {
  const buttons = [...document.querySelectorAll("#matrix-filter button")];
  const rows = [...document.querySelectorAll("#matrix-table tbody tr")];
  const none = document.querySelector("#matrix-table + .empty");
  const apply = () => {
    const looks = new Set(
      buttons.filter((each) => each.getAttribute("aria-pressed") === "true").map((each) => each.dataset.look),
    );
    for (const row of rows) {
      const own = row.querySelector(".all")
        ? ["look-passed"]
        : [...row.querySelectorAll("[data-look]")].map((cell) => cell.dataset.look);
      row.hidden = !own.some((look) => looks.has(look));
    }
    none.hidden = rows.some((row) => !row.hidden);
  };
  for (const button of buttons)
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
      apply();
    });
}

startTheme();
document.addEventListener("DOMContentLoaded", () => {
  startFolds();
  startMatrix();
  startOpenAll();
  startLinks();
  document.documentElement.dataset.ready = "overview";
});
