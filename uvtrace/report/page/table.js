// SPDX-License-Identifier: Apache-2.0
// The table of transactions: only the rows that are seen exist.

const ROW = 24;
// Browsers do not draw elements of any height; a longer table's scroll bar moves in larger steps.
const TALLEST = 8e6;

const CELLS = [
  ["seq", "#", (data, i) => `#${data.columns.seq.low[i]}`],
  ["time", "time", (data, i) => (data.columns.time.low[i] / 1e9).toFixed(6)],
  ["function", "function", (data, i) => data.facts.functions[data.columns.function.low[i]] ?? ""],
  ["cpu", "CPU", (data, i) => String(data.columns.cpu.low[i])],
  ["kind", "kind", (data, i) => data.facts.kinds[data.columns.kind.low[i]].name],
  ["place", "where", place],
  ["size", "bytes", (data, i) => (data.sized[data.columns.kind.low[i]] ? decimal(data.columns.length, i) : "")],
  ["value", "value", value],
  ["took", "took", (data, i) => took(data.columns.duration.low[i])],
  ["detail", "detail", detail],
  ["site", "called from", (data, i) => data.words.site[data.columns.site.low[i]]],
];

function hexadecimal(column, i, digits = 0) {
  const low = column.low[i];
  const high = column.high ? column.high[i] : 0;
  const text = high ? high.toString(16) + low.toString(16).padStart(8, "0") : low.toString(16);
  return `0x${text.padStart(digits, "0")}`;
}

function decimal(column, i) {
  return String(column.low[i] + (column.high ? column.high[i] * 4294967296 : 0));
}

function took(ns) {
  return ns ? spanText(ns) : "";
}

function place(data, i) {
  const text = data.words.place[data.columns.place.low[i]];
  const kind = data.columns.kind.low[i];
  return text || (data.addressed[kind] ? hexadecimal(data.columns.address, i) : "");
}

function value(data, i) {
  if (!data.valued[data.columns.kind.low[i]]) return "";
  return hexadecimal(data.columns.value, i, 2 * Math.min(data.columns.length.low[i] || 1, 8));
}

function detail(data, i) {
  const parts = [data.words.detail[data.columns.detail.low[i]], data.words.note[data.columns.note.low[i]]];
  return parts.filter(Boolean).join("; ");
}

class Table {
  constructor(data, openFinding) {
    this.data = data;
    this.openFinding = openFinding;
    this.rows = null;
    this.top = 0;
    this.selected = -1;
    this.root = document.getElementById("table");
    this.pane = document.getElementById("record");
    this.count = document.getElementById("table-count");
    this.pool = [];
    this.build();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.root);
    this.root.setAttribute("aria-busy", "false");
    this.show(null);
  }

  get length() {
    return this.rows ? this.rows.length : this.data.facts.rows;
  }

  row(position) {
    return this.rows ? this.rows[position] : position;
  }

  build() {
    this.space = make("div", "space");
    this.view = make("div", "view");
    const head = make("div", "tr head");
    head.setAttribute("role", "row");
    head.setAttribute("aria-rowindex", "1");
    for (const [name, title] of CELLS) {
      const cell = make("span", `c-${name}`, title);
      cell.setAttribute("role", "columnheader");
      head.append(cell);
    }
    // One function needs no column of its own.
    this.root.classList.toggle("one", this.data.facts.functions.length === 1);
    this.body = make("div", "rows");
    this.body.setAttribute("role", "rowgroup");
    this.view.append(head, this.body);
    this.space.append(this.view);
    this.root.append(this.space);
    this.root.setAttribute("aria-colcount", String(CELLS.length));
  }

  listen() {
    this.root.addEventListener("scroll", () => {
      const expected = Math.round(this.top * ROW * this.scale);
      // Our own change of the scroll bar, rounded to pixels, moves nothing.
      if (Math.abs(expected - this.root.scrollTop) > 1) this.top = this.root.scrollTop / (ROW * this.scale);
      this.draw();
    });
    this.root.addEventListener(
      "wheel",
      (event) => {
        if (this.scale === 1 || event.ctrlKey || !event.deltaY) return;
        const lines = event.deltaMode === 1 ? event.deltaY : event.deltaY / ROW;
        const before = this.top;
        this.scrollTo(this.top + lines);
        if (this.top !== before) event.preventDefault();
      },
      { passive: false },
    );
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => {
      const row = event.target.closest(".tr");
      if (row) this.select(Number(row.dataset.position));
    });
  }

  // How many whole rows are seen.
  get page() {
    return Math.max(1, Math.floor((this.root.clientHeight - ROW) / ROW));
  }

  get last() {
    return Math.max(0, this.length - this.page);
  }

  show(rows) {
    const before = this.selected >= 0 ? this.row(this.selected) : -1;
    this.rows = rows;
    const all = this.data.facts.rows.toLocaleString("en");
    this.count.textContent = rows ? `${this.length.toLocaleString("en")} of ${all}` : all;
    this.root.setAttribute("aria-rowcount", String(this.length + 1));
    const tall = Math.max(1, this.last * ROW);
    this.scale = Math.min(1, TALLEST / tall);
    this.space.style.height = `${Math.round(tall * this.scale) + this.root.clientHeight}px`;
    this.selected = before >= 0 ? this.find(before) : -1;
    this.scrollTo(this.selected >= 0 ? this.selected - this.page / 2 : 0);
    this.tell();
  }

  // The position of a row among those that are shown, -1 if it is not.
  find(row) {
    if (!this.rows) return row;
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.rows[middle] < row) low = middle + 1;
      else high = middle;
    }
    return this.rows[low] === row ? low : -1;
  }

  scrollTo(top) {
    this.top = Math.min(Math.max(top, 0), this.last);
    this.root.scrollTop = Math.round(this.top * ROW * this.scale);
    this.draw();
  }

  draw() {
    const first = Math.floor(Math.min(this.top, this.last));
    const wanted = Math.min(this.page + 2, this.length - first);
    while (this.pool.length < wanted) this.pool.push(this.blank());
    this.body.replaceChildren(...this.pool.slice(0, Math.max(wanted, 0)));
    for (let i = 0; i < wanted; i++) this.fill(this.pool[i], first + i);
    if (!this.length) this.body.append(make("p", "empty", "No transaction is like that."));
    const active = this.selected >= first && this.selected < first + wanted;
    if (active) this.root.setAttribute("aria-activedescendant", `row-${this.selected}`);
    else this.root.removeAttribute("aria-activedescendant");
  }

  blank() {
    const line = make("div", "tr");
    line.setAttribute("role", "row");
    for (const [name] of CELLS) {
      const cell = make("span", `c-${name}`);
      cell.setAttribute("role", "gridcell");
      line.append(cell);
    }
    return line;
  }

  fill(line, position) {
    const i = this.row(position);
    const group = this.data.facts.groups[this.data.facts.kinds[this.data.columns.kind.low[i]].group];
    const roles = this.data.roles.get(this.data.columns.seq.low[i]);
    line.className = `tr edge-${group.name}${roles ? ` marked ${roles[0].look}` : ""}`;
    line.id = `row-${position}`;
    line.dataset.position = position;
    line.setAttribute("aria-rowindex", String(position + 2));
    line.setAttribute("aria-selected", String(position === this.selected));
    CELLS.forEach(([, , text], index) => {
      const cell = line.children[index];
      const told = text(this.data, i);
      if (cell.textContent !== told) cell.textContent = told;
    });
  }

  select(position) {
    if (!this.length) return;
    this.selected = Math.min(Math.max(position, 0), this.length - 1);
    if (this.selected < this.top) this.scrollTo(this.selected);
    else if (this.selected > this.top + this.page - 1) this.scrollTo(this.selected - this.page + 1);
    else this.draw();
    this.tell();
  }

  key(event) {
    const here = this.selected < 0 ? Math.floor(this.top) - 1 : this.selected;
    const moves = {
      ArrowDown: here + 1,
      ArrowUp: here - 1,
      PageDown: here + this.page,
      PageUp: here - this.page,
      Home: 0,
      End: this.length - 1,
    };
    if (event.key === "Enter" && this.selected >= 0) {
      const roles = this.data.roles.get(this.data.columns.seq.low[this.row(this.selected)]);
      if (roles) this.openFinding(roles[0].number);
      return;
    }
    if (!(event.key in moves) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.select(moves[event.key]);
  }

  // Everything that the page knows of the selected record.
  tell() {
    this.pane.hidden = this.selected < 0;
    if (this.pane.hidden) return;
    const i = this.row(this.selected);
    const list = make("dl", "");
    const note = (name, told) => {
      if (!told) return;
      const pair = make("div", "");
      pair.append(make("dt", "", name), make("dd", "", told));
      list.append(pair);
    };
    const packet = this.data.columns.packet ? this.data.columns.packet.low[i] : i;
    note("packet", String(packet + 1));
    for (const [name, title, text] of CELLS) note(name === "seq" ? "record" : title, text(this.data, i));
    note("address", hexadecimal(this.data.columns.address, i));
    this.pane.replaceChildren(list);
    for (const role of this.data.roles.get(this.data.columns.seq.low[i]) ?? []) {
      const link = make("a", `role-link ${role.look}`, `${role.role}, finding ${role.number}`);
      link.href = `#finding-${role.number}`;
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.openFinding(role.number);
      });
      this.pane.append(link);
    }
  }
}
