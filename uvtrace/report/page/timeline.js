// SPDX-License-Identifier: Apache-2.0
// How much of what happened when: a lane for each group of kinds, findings above them.

const LANE = 30;
const AXIS = 22;
// Findings closer together than this many pixels share a mark.
const HEAP = 18;
const UNITS = [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]];

function timeText(ns, step = ns) {
  const [size, unit] = UNITS.find(([each]) => Math.abs(step) >= each) ?? UNITS[3];
  const digits = Math.max(0, Math.min(9, Math.ceil(-Math.log10(Math.abs(step || 1) / size) + 0.001)));
  return `${(ns / size).toFixed(digits)} ${unit}`;
}

// A length of time with three digits that count.
function spanText(ns) {
  const [size, unit] = UNITS.find(([each]) => Math.abs(ns) >= each) ?? UNITS[3];
  return `${Number((ns / size).toPrecision(3))} ${unit}`;
}

function niceStep(span, most) {
  const raw = span / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * ([1, 2, 5, 10].find((each) => each * power >= raw) ?? 10);
}

class Timeline {
  constructor(facts, openFinding) {
    this.facts = facts;
    this.openFinding = openFinding;
    this.rows = null;
    this.from = 0;
    this.to = facts.span;
    this.root = document.getElementById("timeline-view");
    this.range = document.getElementById("timeline-range");
    this.build();
    this.listen();
    // It also tells of the size that there is now: this draws for the first time.
    new ResizeObserver(() => this.draw()).observe(this.plot);
    themeWatchers.push(() => this.draw());
  }

  build() {
    const labels = make("div", "lane-labels");
    labels.append(make("div", "lane-findings", "findings"));
    for (const lane of this.facts.lanes) {
      const label = make("div", "lane-label");
      const total = lane.counts.reduce((sum, each) => sum + each, 0);
      label.append(make("i", `swatch fill-${lane.name}`), make("span", "", lane.title));
      label.append(make("b", "", total.toLocaleString("en")));
      labels.append(label);
    }
    this.plot = make("div", "lane-plot");
    this.marks = make("div", "lane-marks");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("aria-hidden", "true");
    this.brush = make("div", "brush");
    this.brush.hidden = true;
    this.plot.append(this.marks, this.canvas, this.brush);
    this.root.append(labels, this.plot);
  }

  // From now on zooming shows every transaction, not only what the bins hold.
  useRows(time, kind) {
    const lane = new Uint8Array(256).fill(255);
    this.facts.lanes.forEach(({ kinds }, index) => kinds.forEach((each) => (lane[each] = index)));
    this.rows = { time, lane, kind };
    if (this.to - this.from < this.facts.span) this.draw();
  }

  zoom(from, to) {
    const span = Math.min(Math.max(to - from, 100), this.facts.span);
    this.from = Math.min(Math.max(from, 0), this.facts.span - span);
    this.to = this.from + span;
    this.draw();
  }

  scale(factor, centre = (this.from + this.to) / 2) {
    this.zoom(centre - (centre - this.from) * factor, centre + (this.to - centre) * factor);
  }

  move(share) {
    const by = (this.to - this.from) * share;
    this.zoom(this.from + by, this.to + by);
  }

  timeAt(x) {
    return this.from + (x / this.canvas.clientWidth) * (this.to - this.from);
  }

  // Events of each lane in each of some bins of the part that is shown.
  counts(bins) {
    const lanes = this.facts.lanes.map(() => new Float64Array(bins));
    const perBin = bins / (this.to - this.from);
    if (this.rows && this.to - this.from < this.facts.span) {
      const { time, lane, kind } = this.rows;
      for (let i = 0; i < time.length; i++) {
        const at = (time[i] - this.from) * perBin;
        const own = lane[kind[i]];
        if (at >= 0 && at < bins && own !== 255) lanes[own][Math.floor(at)]++;
      }
      return lanes;
    }
    const held = this.facts.lanes[0].counts.length;
    const width = this.facts.span / held;
    this.facts.lanes.forEach((lane, index) => {
      for (let i = 0; i < held; i++) {
        const at = Math.floor(((i + 0.5) * width - this.from) * perBin);
        if (at >= 0 && at < bins) lanes[index][at] += lane.counts[i];
      }
    });
    return lanes;
  }

  draw() {
    const width = this.canvas.clientWidth;
    if (!width || !this.facts.lanes.length) return;
    const height = this.facts.lanes.length * LANE + AXIS;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    this.drawAxis(pen, width, height);
    this.drawLanes(pen, width);
    this.drawMarks(pen, width, height - AXIS);
    const whole = this.to - this.from >= this.facts.span;
    this.range.textContent = whole
      ? `${spanText(this.facts.span)} in all`
      : `${timeText(this.from, this.to - this.from)} to ${timeText(this.to, this.to - this.from)}`;
  }

  drawAxis(pen, width, height) {
    const step = niceStep(this.to - this.from, width / 110);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "top";
    const line = colour("line");
    const dim = colour("dim");
    for (let tick = Math.ceil(this.from / step) * step; tick <= this.to; tick += step) {
      const x = Math.round(((tick - this.from) / (this.to - this.from)) * width) + 0.5;
      pen.fillStyle = line;
      pen.fillRect(x - 0.5, 0, 1, height - AXIS + 4);
      pen.fillStyle = dim;
      pen.textAlign = x < 30 ? "left" : x > width - 40 ? "right" : "center";
      pen.fillText(timeText(tick, step), x < 30 ? 0 : x > width - 40 ? width : x, height - AXIS + 7);
    }
  }

  drawLanes(pen, width) {
    const bins = Math.max(Math.floor(width / 1.5), 1);
    const counted = this.counts(bins);
    const line = colour("line");
    this.shown = counted;
    counted.forEach((counts, index) => {
      const base = (index + 1) * LANE;
      const most = Math.log1p(counts.reduce((top, each) => Math.max(top, each), 0));
      pen.fillStyle = line;
      pen.fillRect(0, base - 1, width, 1);
      pen.fillStyle = colour(this.facts.lanes[index].name);
      // Logarithmic: one interrupt is as much to be seen as a thousand reads.
      for (let bin = 0; bin < bins; bin++) {
        if (!counts[bin]) continue;
        const tall = Math.max(3, (Math.log1p(counts[bin]) / most) * (LANE - 7));
        pen.fillRect((bin * width) / bins, base - 1 - tall, Math.max(width / bins, 1), tall);
      }
    });
  }

  // One mark per finding, or per heap of findings that would cover each other.
  drawMarks(pen, width, height) {
    const heaps = new Map();
    for (const each of this.facts.findings) {
      if (each.time < this.from || each.time > this.to) continue;
      const x = ((each.time - this.from) / (this.to - this.from)) * width;
      const heap = Math.floor(x / HEAP);
      heaps.set(heap, [...(heaps.get(heap) ?? []), { each, x }]);
    }
    this.marks.replaceChildren();
    for (const [place, heap] of heaps) {
      const { each, x } = heap.find(({ each: one }) => one.look === "error") ?? heap[0];
      pen.fillStyle = colour(each.look);
      pen.globalAlpha = 0.55;
      pen.fillRect(Math.round(x), 0, 1, height);
      pen.globalAlpha = 1;
      const mark = make("button", `mark ${each.look}`, heap.length > 1 ? String(heap.length) : "");
      mark.type = "button";
      mark.style.left = `${(place + 0.5) * HEAP}px`;
      mark.title = heap.map(({ each: one }) => `${one.rule}: ${one.message}`).slice(0, 12).join("\n");
      mark.setAttribute("aria-label", `finding ${mark.title}`);
      mark.addEventListener("click", () => this.openFinding(each.number));
      this.marks.append(mark);
    }
  }

  tell(x) {
    if (!this.shown) return;
    const bins = this.shown[0].length;
    const bin = Math.floor((x / this.canvas.clientWidth) * bins);
    const parts = this.facts.lanes
      .map((lane, index) => [this.shown[index][bin], lane.title])
      .filter(([count]) => count)
      .map(([count, title]) => `${count.toLocaleString("en")} ${title}`);
    const at = timeText(this.timeAt(x), (this.to - this.from) / 100);
    this.range.textContent = parts.length ? `${at}: ${parts.join(", ")}` : at;
  }

  listen() {
    let began = null;
    const place = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return Math.min(Math.max(event.clientX - box.left, 0), box.width);
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      began = place(event);
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      const x = place(event);
      if (began === null) return this.tell(x);
      this.brush.hidden = Math.abs(x - began) < 4;
      this.brush.style.left = `${Math.min(x, began)}px`;
      this.brush.style.width = `${Math.abs(x - began)}px`;
    });
    this.canvas.addEventListener("pointerup", (event) => {
      const x = place(event);
      if (began !== null && Math.abs(x - began) >= 4)
        this.zoom(this.timeAt(Math.min(x, began)), this.timeAt(Math.max(x, began)));
      began = null;
      this.brush.hidden = true;
    });
    this.canvas.addEventListener("dblclick", () => this.zoom(0, this.facts.span));
    this.canvas.addEventListener("pointerleave", () => began === null && this.draw());
    this.root.addEventListener("keydown", (event) => this.key(event));
    const press = (id, act) => document.getElementById(id).addEventListener("click", act);
    press("zoom-in", () => this.scale(0.5));
    press("zoom-out", () => this.scale(2));
    press("zoom-all", () => this.zoom(0, this.facts.span));
  }

  key(event) {
    const acts = {
      "+": () => this.scale(0.5),
      "=": () => this.scale(0.5),
      "-": () => this.scale(2),
      0: () => this.zoom(0, this.facts.span),
      ArrowLeft: () => this.move(-0.2),
      ArrowRight: () => this.move(0.2),
    };
    if (event.target !== this.root || event.ctrlKey || event.metaKey || !acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }
}
