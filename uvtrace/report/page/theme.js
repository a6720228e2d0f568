// SPDX-License-Identifier: Apache-2.0
// Light, dark, or what the system prefers; told to those who draw on canvases.

const THEMES = ["auto", "light", "dark"];
const themeWatchers = [];

function setTheme(name) {
  const root = document.documentElement;
  if (name === "auto") delete root.dataset.theme;
  else root.dataset.theme = name;
  const button = document.getElementById("theme");
  button.textContent = `◐ ${name}`;
  button.setAttribute("aria-label", `colours: ${name}`);
  for (const watcher of themeWatchers) watcher();
}

// A browser may forbid a page from a file to remember anything.
function remembered() {
  try {
    const name = localStorage.getItem("uvtrace-theme");
    return THEMES.includes(name) ? name : "auto";
  } catch {
    return "auto";
  }
}

function remember(name) {
  try {
    localStorage.setItem("uvtrace-theme", name);
  } catch {
    return;
  }
}

function startTheme() {
  let current = remembered();
  setTheme(current);
  document.getElementById("theme").addEventListener("click", () => {
    current = THEMES[(THEMES.indexOf(current) + 1) % THEMES.length];
    remember(current);
    setTheme(current);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const watcher of themeWatchers) watcher();
  });
}

// A colour of the style sheet, as a canvas takes it.
function colour(name) {
  const probe = document.createElement("i");
  probe.className = `ink-${name}`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
